"""What came out for a candidate: the rank of every probe, stored as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.comparison.candidates import Candidate
from experiments.comparison.material import Budget
from training.engine.validation import Scored
from training.evaluation.bootstrap import Draws, Interval, to_interval
from training.evaluation.recognition_metrics import Scores


@dataclass(frozen=True)
class TrackRanks:
    """Per probe of a track: its own subject's rank, from 1, and that subject."""

    track: str
    enrolled: int
    ranks: Sequence[int]
    subjects: Sequence[str]

    def figures(self) -> tuple[Interval, Interval]:
        """Rank-1 and mean average precision (one relevant subject: 1 / rank), with 95 % intervals."""
        draws = Draws(self.subjects, 0)
        return draws.mean(np.array(self.ranks) == 1), draws.mean(1 / np.array(self.ranks))

    def gain(self, other: TrackRanks) -> Interval:
        """Mean average precision over the other's; the same subjects are drawn for both."""
        draws = Draws(self.subjects, 0)
        return to_interval(draws.means(1 / np.array(self.ranks)) - draws.means(1 / np.array(other.ranks)))


@dataclass(frozen=True)
class Result:
    """A finished candidate; `parameters` are those of all modalities together."""

    key: str
    tracks: Sequence[TrackRanks]
    pictures: int
    parameters: int
    wall_seconds: float
    cpu_seconds: float

    def track(self, name: str) -> TrackRanks:
        """The track called `name`."""
        return next(track for track in self.tracks if track.track == name)


def ranked(scored: Scored) -> TrackRanks:
    """The ranks behind the similarities; ties count against the patient."""
    owners = [scored.subjects[i] for i in scored.truth]
    similarities = scored.similarities.astype(np.float64)
    scores = Scores(similarities, np.empty((0, similarities.shape[1])), scored.truth, owners, [])
    return TrackRanks(scored.track, len(scored.subjects), scores.ranks.tolist(), owners)


class Store:
    """One file per finished candidate in a folder; files of another budget do not count."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder, self._budget = folder, json.loads(json.dumps(asdict(budget)))

    def save(self, result: Result) -> None:
        """Write it whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{result.key}.json"
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"budget": self._budget, "result": asdict(result)}), encoding="utf-8")
        partial.replace(path)

    def load(self, candidate: Candidate) -> Result | None:
        """What was stored for it under this budget."""
        path = self._folder / f"{candidate.key}.json"
        if not path.is_file():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["budget"] != self._budget:
            return None
        found = stored["result"]
        return Result(**{**found, "tracks": [TrackRanks(**track) for track in found["tracks"]]})
