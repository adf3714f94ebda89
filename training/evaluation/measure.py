"""Measure one modality: the shipped model, its control and the baselines on each track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from shared.modalities import Modality
from shared.models.manifest import MODEL_FILE
from training.data.bundle_manifest import Row
from training.data.imagenet_weights import at_hand
from training.evaluation.baselines import FrozenFeatures, KeypointScorer, WhitenedFeatures
from training.evaluation.bootstrap import Array
from training.evaluation.controls import BackgroundOnly, chance_test
from training.evaluation.decisions import decisions, operating_points, point_figures
from training.evaluation.distractors import Distractors, best_cosines, enlarge, real_persons
from training.evaluation.failures import failure_gallery
from training.evaluation.growth import SIZES, Gallery, Growth, grow
from training.evaluation.protocol import Track
from training.evaluation.recognition_metrics import Scores, identification, open_set, verification
from training.evaluation.report_tables import Json
from training.evaluation.scorers import RawPixels, Scorer, ShippedModel, Similarities
from training.evaluation.shipped import ShippedScoring, shipped_scoring
from training.evaluation.track_plots import plot_track

SEED = 0
PICTURES = 4
"""Most pictures of a distractor. More cost memory and change little."""


@dataclass(frozen=True)
class Folders:
    """Folders of pictures, models, ImageNet weights (None: no baselines) and of the report."""

    data: Path
    models: Path
    weights: Path | None
    out: Path


class ModalityEvaluation:
    """The shipped model of one modality, and the methods that it is compared with."""

    def __init__(self, modality: Modality, rows: Sequence[Row], folders: Folders) -> None:
        self._modality, self._folders = modality, folders
        self._folder = folders.models / f"{modality.name}-service"
        train = (modality.name, "train", "train")
        self._train = [row for row in rows if (row.modality, row.split, row.role) == train and row.subject]
        self._ours = ShippedModel(self._folder, modality, folders.data)
        self._scoring = shipped_scoring(self._ours)
        self._control = BackgroundOnly(self._folder, modality, folders.data)
        self._scorers: list[Scorer] = [self._ours, self._control, RawPixels(folders.data)]
        if folders.weights is not None:
            self._scorers += list(_baselines(self._ours.manifest.trunk, self._train, folders, folders.weights))
        points, standard = self._ours.manifest.operating_points, modality.threshold
        self._points = operating_points(points, standard) if self._scoring else []

    @property
    def facts(self) -> Json:
        """Facts about the model for the report."""
        return {
            "trunk": self._ours.manifest.trunk,
            "digest": self._ours.manifest.digest,
            "megabytes": (self._folder / MODEL_FILE).stat().st_size / 1e6,
            "milliseconds": float(np.median(self._ours.milliseconds)),
            "operating_points": [asdict(point) for point in self._points],
        }

    def measure(self, track: Track) -> Json:
        """Measure every method on a track, write its plots, and return its figures for `report.json`."""
        similarities = {scorer.name: scorer.similarities(track) for scorer in self._scorers}
        scored = {name: track_scores(track, self._scores(name, track, s)) for name, s in similarities.items()}
        ours, cosines, out = scored[self._ours.name], similarities[self._ours.name], self._folders.out
        scoring, threshold = self._scoring, self._modality.threshold
        decided = decisions(ours, scoring.cascade.posterior, threshold) if scoring else None
        methods = [self._method(track, name, scores) for name, scores in scored.items()]
        methods[0]["decisions"] = decided and decided.figures()
        plot_track(track, scored, decided, out, controls=[self._control.name])
        points = [point_figures(ours, scoring.cascade.posterior, point) for point in self._points] if scoring else []
        growth = self._growth(track, cosines, scoring) if scoring else []
        return {
            "track": track.name,
            "modality": track.modality,
            "kind": track.kind,
            "queries": len(track.queries),
            "query_subjects": len({row.subject for row in track.queries}),
            "gallery_subjects": len(track.subjects),
            "gallery_pictures": len(track.gallery),
            "rank1_by_chance": 1 / len(track.subjects),
            "impostors": len(track.impostors),
            "not_beaten": _not_beaten(methods),
            "failures": failure_gallery(track, cosines, ours, self._folders.data, out),
            "methods": methods,
            "operating_points": [asdict(point) for point in points],
            "growth": [asdict(size) for size in growth],
        }

    def _scores(self, method: str, track: Track, similarities: Similarities) -> Array:
        """Scores of the shipped system for the model and its control, of the nearest picture for other methods."""
        model = {self._ours.name: self._ours, self._control.name: self._control.model}.get(method)
        if model and (scoring := shipped_scoring(model)):
            return scoring.scores(track, similarities)
        return track.best_per_subject(similarities)

    def _method(self, track: Track, method: str, scores: Scores) -> Json:
        """Return the figures of one method. Only a control has a `chance_test`."""
        pair_figures, fnir5, fnir1 = verification(scores), open_set(scores, 0.05), open_set(scores, 0.01)
        control = method == self._control.name
        return {
            "method": method,
            "identification": {name: asdict(figure) for name, figure in identification(scores).items()},
            "verification": pair_figures and {name: asdict(figure) for name, figure in pair_figures.items()},
            "fnir5": fnir5 and asdict(fnir5),
            "fnir1": fnir1 and asdict(fnir1),
            "decisions": None,
            "chance_test": _chance_test(track, scores) if control else None,
            "control": control,
        }

    def _growth(self, track: Track, similarities: Similarities, scoring: ShippedScoring) -> list[Growth]:
        joining = self._distractors(track)
        if joining is None:
            return []
        cosines = best_cosines(self._ours.embeddings(track.probes), joining.persons)
        gallery = Gallery(
            track_scores(track, scoring.keypoint_scores(track, similarities)),
            track.best_per_subject(similarities),
            self._ours.normalise_cosines(track.probes, cosines),
            joining.real,
        )
        return grow(gallery, scoring.cascade, self._modality.threshold)

    def _distractors(self, track: Track) -> Distractors | None:
        """Return people to enlarge the gallery, with as many pictures each as in the track; None if too few exist."""
        if len({row.subject for row in self._train}) < 4:
            return None
        pictures = min(max(1, round(len(track.gallery) / len(track.subjects))), PICTURES)
        real = real_persons(self._ours, self._train, pictures, SEED)
        return enlarge(real, max(SIZES) - len(track.subjects), SEED)


def _baselines(trunk: str, train: Sequence[Row], folders: Folders, weights: Path) -> Iterator[Scorer]:
    """Return the baselines, for the backbones of the model and for all others whose weights are available."""
    missing = sorted(set(trunk.split("+")) - at_hand(weights))
    if missing:
        raise ValueError(
            f"{weights} holds no ImageNet weights of {' and '.join(missing)}, which the baselines need:"
            " put the files there (docs/how-to/weights.md), or leave the baselines out (make evaluate BASELINES=0)"
        )
    for backbone in sorted({*trunk.split("+"), *at_hand(weights)}):
        frozen = FrozenFeatures(backbone, weights, folders.data)
        yield frozen
        if train:
            yield WhitenedFeatures(frozen, train, folders.data)
    yield KeypointScorer(folders.data, folders.out / "keypoints")


def _not_beaten(methods: Sequence[Json]) -> list[str]:
    """Return the baselines whose rank-1 is at least that of the shipped model, the first of `methods`."""
    ours, *others = methods
    found = ours["identification"]["rank1"]["value"]
    return [m["method"] for m in others if not m["control"] and m["identification"]["rank1"]["value"] >= found]


def _chance_test(track: Track, scores: Scores) -> Json:
    """Test rank-1 against chance among all subjects, and among those of the query's own source."""
    subjects = {(row.source, row.subject) for row in track.gallery}
    alike = [sum(source == row.source for source, _ in subjects) for row in track.queries]
    within = float(np.mean([1 / (count or len(track.subjects)) for count in alike]))
    test = chance_test(int(np.sum(scores.ranks == 1)), len(scores.ranks), 1 / len(track.subjects), within)
    return asdict(test) | {"verdict": test.verdict}


def track_scores(track: Track, scores: Array) -> Scores:
    """Return the scores of a track, float (probes, subjects), with the subjects of its probes."""
    queries, impostors = ([row.subject for row in rows] for rows in (track.queries, track.impostors))
    count = len(queries)
    return Scores(scores[:count], scores[count:], track.truth, queries, impostors)
