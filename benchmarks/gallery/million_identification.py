"""Identify the test tracks of a bundle among a million synthetic people.

Calibration, threshold and decision rule are those that ship. Each track is identified by embeddings alone, and with
keypoints of the nearest. Synthetic people have no keypoints: they are compared by embedding, and push people of the
track out of the nearest that are verified. No parameter is chosen here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks.gallery.population import Nearest, Population
from benchmarks.gallery.real_people import MOST_PICTURES, read_people
from deploy.local.state_folder import REPOSITORY
from shared.identification.matching import MAX_CANDIDATES
from shared.modalities import Modality, load_registry
from training.calibration.posterior_eval import Posterior
from training.data.bundle_manifest import read_manifest
from training.evaluation.bootstrap import Array, Interval
from training.evaluation.decisions import decisions
from training.evaluation.growth import Gallery
from training.evaluation.measure import track_scores
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import identification
from training.evaluation.scorers import ShippedModel
from training.evaluation.shipped import Cascade, ShippedScoring, shipped_scoring

RESULTS = "identification.json"


@dataclass(frozen=True)
class TrackFigures:
    """One track at one size: shares of queries and of strangers' pictures (None without strangers)."""

    track: str
    kind: str
    keypoints: bool
    enrolled: int
    queries: int
    strangers: int
    rank1: Interval
    rank3: Interval
    identified_rightly: Interval
    identified_wrongly: Interval
    strangers_identified: Interval | None


@dataclass(frozen=True)
class _Counted:
    """A posterior that counts the people without a score: they are far away."""

    posterior: Posterior
    enrolled: int

    def __call__(self, scores: Array, enrolled: int) -> tuple[Array, float]:
        """Count as `enrolled` the people with a score."""
        return self.posterior(scores, self.enrolled)


def identify(data: Path, distractors: int, out: Path) -> list[TrackFigures]:
    """Identify every test track, unchanged and with synthetic people. Write the figures to `out`."""
    rows, figures = read_manifest(data), list[TrackFigures]()
    for modality in load_registry():
        tracks = read_tracks(rows, "test", [modality.name])
        if tracks:
            figures += _of_modality(modality, tracks, data, distractors, out)
    (out / RESULTS).write_text(json.dumps([asdict(one) for one in figures], indent=1), encoding="utf-8")
    return figures


def _of_modality(
    modality: Modality, tracks: Sequence[Track], data: Path, distractors: int, out: Path
) -> list[TrackFigures]:
    model = ShippedModel(REPOSITORY / f"{modality.name}-service", modality, data)
    scoring = shipped_scoring(model)
    if scoring is None:
        raise ValueError(f"{modality.name}-service/ holds a model without calibration; train it again")
    real = read_people(data, modality.name, out)
    figures = []
    for track in tracks:
        pictures = min(max(1, round(len(track.gallery) / len(track.subjects))), MOST_PICTURES)
        population = Population(real[:, :pictures])
        figures += _of_track(track, model, scoring, modality.threshold, population, distractors)
    return figures


def _of_track(
    track: Track,
    model: ShippedModel,
    scoring: ShippedScoring,
    threshold: float,
    population: Population,
    distractors: int,
) -> list[TrackFigures]:
    nearest = Nearest(model.embeddings(track.probes), MAX_CANDIDATES)
    with tqdm(total=distractors, desc=f"{track.name}: people who join", unit="patient") as bar:
        for first, persons in population.blocks(0, distractors):
            nearest.add(first, persons)
            bar.update(len(persons))
    similarities = model.similarities(track)
    own, joining = track.best_per_subject(similarities), model.normalise_cosines(track.probes, nearest.cosines)
    alone = scoring.cascade.embedding_scores(own)
    both = (alone, ()), (scoring.keypoint_scores(track, similarities), scoring.cascade.stages)
    return [
        _figures(
            track,
            Gallery(track_scores(track, scores), own, joining, real=0),
            replace(scoring.cascade, stages=stages),
            threshold,
            joined,
        )
        for scores, stages in both
        for joined in (0, distractors)
    ]


def _figures(track: Track, gallery: Gallery, cascade: Cascade, threshold: float, joined: int) -> TrackFigures:
    enrolled = len(track.subjects) + joined
    counted = _Counted(cascade.posterior, enrolled)
    nearest = min(joined, MAX_CANDIDATES)  # the others are too far to count one by one
    scores = gallery.enlarged(nearest, replace(cascade, posterior=counted))
    ranked, decided = identification(scores), decisions(scores, counted, threshold)
    return TrackFigures(
        track=track.name,
        kind=track.kind,
        keypoints=bool(cascade.stages),
        enrolled=enrolled,
        queries=len(track.queries),
        strangers=len(track.impostors),
        rank1=ranked["rank1"],
        rank3=ranked["rank3"],
        identified_rightly=decided.identified_rightly,
        identified_wrongly=decided.identified_wrongly,
        strangers_identified=decided.impostors_identified,
    )


def show_tracks(figures: Sequence[TrackFigures], console: Console) -> None:
    """Print one line per track and size."""
    table = Table(title="Identification as shipped, by embeddings alone and with keypoints", title_justify="left")
    table.add_column("track")
    table.add_column("by")
    for title in ("enrolled", "queries", "rank-1", "rank-3", "identified rightly", "wrongly", "strangers identified"):
        table.add_column(title, justify="right")
    for one in figures:
        shares = (one.rank1, one.rank3, one.identified_rightly, one.identified_wrongly, one.strangers_identified)
        cells = [f"{one.enrolled:,}", str(one.queries), *(_percent(share) for share in shares)]
        table.add_row(f"{one.track} ({one.kind})", "both" if one.keypoints else "embeddings", *cells)
    console.print(table)


def _percent(share: Interval | None) -> str:
    return "-" if share is None else f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
