"""Results of the candidates, and their table for docs/notebook/prior-work.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.comparison.candidates import REFERENCE, SIZE, Candidate
from experiments.comparison.material import Budget
from training.engine.validation import TrackScores
from training.evaluation.bootstrap import Draws, Interval, to_interval
from training.evaluation.recognition_metrics import Scores
from training.evaluation.report_tables import NONE, table


@dataclass(frozen=True)
class TrackRanks:
    """The rank of each probe's own subject, from 1, and that subject."""

    track: str
    enrolled: int
    ranks: Sequence[int]
    subjects: Sequence[str]

    def figures(self) -> tuple[Interval, Interval]:
        """Return rank-1 and mean average precision (1 / rank, because one subject is relevant)."""
        draws = Draws(self.subjects, 0)
        return draws.mean(np.array(self.ranks) == 1), draws.mean(1 / np.array(self.ranks))

    def gain(self, other: TrackRanks) -> Interval:
        """Return the gain in mean average precision; the bootstrap draws the same subjects for both."""
        draws = Draws(self.subjects, 0)
        return to_interval(draws.means(1 / np.array(self.ranks)) - draws.means(1 / np.array(other.ranks)))


@dataclass(frozen=True)
class Result:
    """A finished candidate. `parameters` counts those of all modalities."""

    key: str
    tracks: Sequence[TrackRanks]
    pictures: int
    parameters: int
    wall_seconds: float
    cpu_seconds: float

    def track(self, name: str) -> TrackRanks:
        """Return a track by its name."""
        return next(track for track in self.tracks if track.track == name)


def ranked(scored: TrackScores) -> TrackRanks:
    """Return the ranks of a track. Ties count against the patient."""
    owners = [scored.subjects[i] for i in scored.truth]
    similarities = scored.similarities.astype(np.float64)
    scores = Scores(similarities, np.empty((0, similarities.shape[1])), scored.truth, owners, [])
    return TrackRanks(scored.track, len(scored.subjects), scores.ranks.tolist(), owners)


QUESTIONS = ("start", "a", "b", "c", "d")
INTRODUCTION = """\
Seed {seed}; {size} pixels a side; {steps} steps of {pictures} pictures of each modality ({seen} pictures), the same to
the pixel in every trained row; the last weights count. Asked are {share} % of the subjects of `split=train`, who were
not learned from. In a cell: rank-1 / mean average precision, %; below it, mean average precision less that of the row
named under *against*, in points. In brackets: 95 % intervals by bootstrap over subjects; differences are paired.
"""


def comparison(candidates: Sequence[Candidate], results: Mapping[str, Result], budget: Budget) -> str:
    """Return the protocol, and a table with a row per finished candidate, grouped by question."""
    finished = [c for question in QUESTIONS for c in candidates if c.question == question and c.key in results]
    tracks = results[finished[0].key].tracks
    figures = ["parameters, M", "pictures", "minutes, wall / CPU"]
    header = ["", "row", "learned", "against", *map(_heading, tracks), *figures]
    rows = [_row(candidate, results, [track.track for track in tracks]) for candidate in finished]
    introduction = INTRODUCTION.format(
        seed=budget.seed,
        size=SIZE,
        steps=budget.steps,
        pictures=budget.pictures,
        seen=budget.steps * budget.pictures,
        share=round(100 * budget.validation_share),
    )
    return f"{introduction}\n{table(header, rows)}"


def _heading(track: TrackRanks) -> str:
    asked = len(set(track.subjects))
    return f"{track.track}: {len(track.ranks)} probes of {asked} subjects, {track.enrolled} enrolled"


def _row(candidate: Candidate, results: Mapping[str, Result], tracks: Sequence[str]) -> list[str]:
    against = candidate.against if candidate.against in results else REFERENCE
    result, other = results[candidate.key], results.get(against) if against != candidate.key else None
    minutes = f"{result.wall_seconds / 60:.1f} / {result.cpu_seconds / 60:.1f}"
    return [
        candidate.question,
        candidate.title,
        candidate.learned,
        against if other else NONE,
        *(_cell(result.track(name), other.track(name) if other else None) for name in tracks),
        f"{result.parameters / 1e6:.1f}",
        str(result.pictures),
        minutes,
    ]


def _cell(ranks: TrackRanks, other: TrackRanks | None) -> str:
    rank1, precision = ranks.figures()
    figures = f"{_percent(rank1)} / {_percent(precision)}"
    if other is None:
        return figures
    gain = ranks.gain(other)
    return f"{figures}<br>{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"
