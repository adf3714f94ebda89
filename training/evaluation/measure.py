"""One modality measured: ours, the controls and the baselines on each of its tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.modalities import Modality
from shared.models.manifest import MODEL_FILE
from training.data.bundle_manifest import Row
from training.evaluation.baselines import FrozenFeatures, KeypointScorer, WhitenedFeatures
from training.evaluation.bootstrap import Array
from training.evaluation.controls import BackgroundOnly, ChanceTest, chance_test
from training.evaluation.decisions import decisions
from training.evaluation.distractors import Distractors, best_cosines, enlarge, real_persons
from training.evaluation.evaluation_report import MethodResult, TrackResult
from training.evaluation.failures import failure_gallery
from training.evaluation.growth import SIZES, Gallery, Growth, grow
from training.evaluation.operating_point_figures import operating_points, point_figures
from training.evaluation.protocol import Track
from training.evaluation.recognition_metrics import Scores, identification, open_set, verification
from training.evaluation.scorers import RawPixels, Scorer, ShippedModel, Similarities
from training.evaluation.shipped import Shipped, shipped
from training.evaluation.track_plots import plot_track
from training.networks.backbones import at_hand

SEED = 0
PICTURES = 4
"""Most pictures that a distractor is enrolled with; more would cost memory and change little."""


@dataclass(frozen=True)
class Sources:
    """Where things are: pictures, models, ImageNet weights (None: no baselines), and the folder of the report."""

    data: Path
    models: Path
    weights: Path | None
    out: Path


class ModalityEvaluation:
    """Ours and what it is compared with, for the tracks of one modality."""

    def __init__(self, modality: Modality, rows: Sequence[Row], sources: Sources) -> None:
        self._modality, self._sources = modality, sources
        self._folder = sources.models / f"{modality.name}-service"
        self._train = [
            r for r in rows if (r.modality, r.split, r.role) == (modality.name, "train", "train") and r.subject
        ]
        self._ours = ShippedModel(self._folder, modality, sources.data)
        self._answers = shipped(self._ours)
        self._control = BackgroundOnly(self._folder, modality, sources.data)
        self._scorers: list[Scorer] = [self._ours, self._control, RawPixels(sources.data)]
        if sources.weights is not None:
            self._scorers += list(_baselines(self._ours.manifest.trunk, self._train, sources, sources.weights))
        points, standard = self._ours.manifest.operating_points, modality.threshold
        self._points = operating_points(points, standard) if self._answers else []

    def results(self, tracks: Sequence[Track]) -> Iterator[TrackResult]:
        """Every track measured, its plots written."""
        for track in tracks:
            yield self._result(track)

    @property
    def facts(self) -> dict[str, Any]:
        """The model as the report tells it."""
        return {
            "trunk": self._ours.manifest.trunk,
            "digest": self._ours.manifest.digest,
            "megabytes": (self._folder / MODEL_FILE).stat().st_size / 1e6,
            "milliseconds": float(np.median(self._ours.milliseconds)),
            "operating_points": [asdict(point) for point in self._points],
        }

    def _result(self, track: Track) -> TrackResult:
        similarities = {scorer.name: scorer.similarities(track) for scorer in self._scorers}
        scored = {name: _scores(track, self._subject_scores(name, track, s)) for name, s in similarities.items()}
        ours, out = scored[self._ours.name], self._sources.out
        methods = [self._measure(track, name, scores) for name, scores in scored.items()]
        plot_track(track, scored, methods[0].decisions, out, controls=[self._control.name])
        cosines = similarities[self._ours.name]
        return TrackResult(
            track,
            methods,
            points=[point_figures(ours, self._answers.posterior, point) for point in self._points]
            if self._answers
            else (),
            growth=self._growth(track, cosines, self._answers) if self._answers else (),
            failures=failure_gallery(track, cosines, ours, self._sources.data, out),
        )

    def _subject_scores(self, method: str, track: Track, similarities: Similarities) -> Array:
        """Ours as it ships, with its anatomy or without; everything else by its nearest picture."""
        model = {self._ours.name: self._ours, self._control.name: self._control.model}.get(method)
        if model and (answers := shipped(model)):
            return answers.scores(track, similarities)
        return track.best_per_subject(similarities)

    def _measure(self, track: Track, method: str, scores: Scores) -> MethodResult:
        decides = self._answers if method == self._ours.name else None
        return MethodResult(
            method=method,
            identification=identification(scores),
            verification=verification(scores),
            fnir5=open_set(scores, 0.05),
            fnir1=open_set(scores, 0.01),
            decisions=decisions(scores, decides.posterior, self._modality.threshold) if decides else None,
            chance_test=_chance_test(track, scores) if method == self._control.name else None,
        )

    def _growth(self, track: Track, similarities: Similarities, answers: Shipped) -> list[Growth]:
        joining = self._distractors(track)
        if joining is None:
            return []
        probes = self._ours.embeddings(track.probes)
        cosines = track.best_per_subject(similarities)
        joined = self._ours.normalise_cosines(track.probes, best_cosines(probes, joining.persons))
        scores = _scores(track, answers.fused(track, similarities))
        gallery = Gallery(scores, cosines, joined, joining.real)
        return grow(gallery, answers.unverified, answers.posterior, self._modality.threshold)

    def _distractors(self, track: Track) -> Distractors | None:
        """People to enlarge the gallery with, as many pictures of each as the track's people have; None without any."""
        if len({row.subject for row in self._train}) < 4:
            return None
        pictures = min(max(1, round(len(track.gallery) / len(track.subjects))), PICTURES)
        real = real_persons(self._ours, self._train, pictures, SEED)
        return enlarge(real, max(SIZES) - len(track.subjects), SEED)


def _baselines(trunk: str, train: Sequence[Row], sources: Sources, weights: Path) -> Iterator[Scorer]:
    """Of every trunk at hand and those that the model is made of: the best counts, whichever ships."""
    for part in sorted({*trunk.split("+"), *at_hand(weights)}):
        frozen = FrozenFeatures(part, weights, sources.data)
        yield frozen
        if train:
            yield WhitenedFeatures(frozen, train, sources.data)
    yield KeypointScorer(sources.data, sources.out / "keypoints")


def _chance_test(track: Track, scores: Scores) -> ChanceTest:
    """Rank-1 against one of all subjects, and against one of those whose pictures come from the query's collection."""
    subjects = {(row.source, row.subject) for row in track.gallery}
    alike = [sum(source == row.source for source, _ in subjects) for row in track.queries]
    within = float(np.mean([1 / (count or len(track.subjects)) for count in alike]))
    return chance_test(int(np.sum(scores.ranks == 1)), len(scores.ranks), 1 / len(track.subjects), within)


def _scores(track: Track, best: Array) -> Scores:
    """From float (probes, subjects)."""
    count = len(track.queries)
    asked, strangers = ([row.subject for row in rows] for rows in (track.queries, track.impostors))
    return Scores(best[:count], best[count:], track.truth, asked, strangers)
