"""Scores of an embedder on validation subjects: checkpoints are chosen and calibrations fitted by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from shared.gallery.interface import LEADING_IMAGES, local_images
from shared.identification.cohort import Cohort
from shared.images.views import network_view, square_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.geometry import match_keypoints
from shared.keypoints.verification import LocalVerifier
from shared.models.protocols import ModelSession
from training.data.batches import Preprocess
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import Probes

Embeddings = NDArray[np.float32]
"""float32 (n, d), L2-normalised."""
Embed = Callable[[NDArray[np.float32]], Embeddings]
"""From float32 (n, h, w, 3), RGB 0-255 after the recipe."""
PROBES_PER_TRACK = 150
"""Probes of a track whose keypoints are compared to fit a calibration: a pair takes a millisecond."""
COMPARED_SUBJECTS = 60
"""Nearest subjects whose keypoints are compared. A service compares a third as many, in galleries of any size."""


def draw(count: int, most: int) -> list[int]:
    """Draw at most `most` of `count` probes, in order and always the same."""
    return sorted(np.random.default_rng(0).permutation(count)[:most].tolist())


@dataclass(frozen=True)
class Score:
    """Figures of one validation track."""

    track: str
    queries: int
    subjects: int
    rank1: float
    mean_average_precision: float


@dataclass(frozen=True)
class TrackScores:
    """A track with the cosines of its probes: float32 (queries, subjects), the best over each subject's gallery.

    `truth`: int (queries,), the column of each probe's own subject.
    `agreeing`: float32 (queries, subjects), the weight of agreeing keypoints; None if keypoints were not compared.
    `levels`: float32 (queries,), the cosine of each probe to the nearest of the cohort; None without a cohort.
    `strangers`: for simulated queries, the same with the original images, to search them as strangers.
    `outsiders`: the same for people without a query, who are strangers. Their own column must be ignored.
    """

    track: str
    subjects: Sequence[str]
    truth: NDArray[np.intp]
    similarities: NDArray[np.float32]
    agreeing: NDArray[np.float32] | None = None
    levels: NDArray[np.float32] | None = None
    strangers: TrackScores | None = None
    outsiders: TrackScores | None = None

    @property
    def score(self) -> Score:
        """Rank-1 and mean average precision. With one relevant subject a query's precision is 1 / rank."""
        own = self.similarities[np.arange(len(self.truth)), self.truth]
        ranks = (self.similarities >= own[:, np.newaxis]).sum(axis=1)  # ties count against the patient
        return Score(
            self.track, len(self.truth), len(self.subjects), float(np.mean(ranks == 1)), float(np.mean(1 / ranks))
        )

    def drawn(self, most: int) -> TrackScores:
        """Return the track with at most `most` probes."""
        rows = draw(len(self.truth), most)
        return replace(
            self,
            truth=self.truth[rows],
            similarities=self.similarities[rows],
            agreeing=None if self.agreeing is None else self.agreeing[rows],
            levels=None if self.levels is None else self.levels[rows],
            strangers=self.strangers.drawn(most) if self.strangers else None,
            outsiders=self.outsiders.drawn(most) if self.outsiders else None,
        )


class ValidationSet:
    """The images of some protocols after the recipe, uint8 (n, h, w, 3)."""

    def __init__(self, protocols: Sequence[Probes], pictures: Pictures, recipe: Preprocess) -> None:
        self.protocols = protocols
        self.paths = sorted({r.path for p in self.protocols for r in (*p.gallery, *p.queries, *p.strangers)})
        self.images = np.stack([recipe(pictures[path]) for path in self.paths])
        self._index = {path: i for i, path in enumerate(self.paths)}

    def embeddings(self, embed: Embed, batch: int = 64) -> Embeddings:
        """Return float32 (n, d) of all images, in the order of `paths`."""
        starts = range(0, len(self.images), batch)
        return np.concatenate([embed(network_view(self.images[i : i + batch]).astype(np.float32)) for i in starts])

    def scored(
        self, embeddings: Embeddings, cohort: Cohort | None = None, *, outsiders: bool = True
    ) -> list[TrackScores]:
        """Return the scores of every track by embeddings alone."""
        return [
            _with_strangers(p, lambda one: self._compared(one, embeddings, cohort)[0], outsiders=outsiders)
            for p in self.protocols
        ]

    def verified(
        self,
        embeddings: Embeddings,
        verifier: LocalVerifier,
        cohort: Cohort | None = None,
        most: int = PROBES_PER_TRACK,
        *,
        outsiders: bool = True,
    ) -> list[TrackScores]:
        """Return the scores of at most `most` probes of each track, with the weights of agreeing keypoints."""
        keypoints: dict[int, Keypoints] = {}
        with threadpool_limits(1):  # threads slow down products of small matrices
            some = [p.drawn(draw(len(p.queries), most), draw(len(p.outsiders), most)) for p in self.protocols]
            return [
                _with_strangers(
                    p,
                    lambda one: self._verified(one, embeddings, cohort, verifier, keypoints),
                    outsiders=outsiders,
                )
                for p in some
            ]

    def _compared(
        self, protocol: Probes, embeddings: Embeddings, cohort: Cohort | None
    ) -> tuple[TrackScores, list[list[list[int]]]]:
        """Return the scores, and per query and subject the most similar rows of `embeddings`, the nearest first."""
        subjects = sorted({row.subject for row in protocol.gallery})
        gallery = np.array([self._index[row.path] for row in protocol.gallery])
        queries = embeddings[[self._index[row.path] for row in protocol.queries]]
        cosine = queries @ embeddings[gallery].T
        owner = np.array([row.subject for row in protocol.gallery])
        columns = [np.flatnonzero(owner == subject) for subject in subjects]
        ordered = [own[np.argsort(-cosine[:, own], axis=1, kind="stable")] for own in columns]
        truth = np.array([subjects.index(row.subject) for row in protocol.queries])
        best = np.stack([cosine[:, own].max(axis=1) for own in columns], axis=1)
        nearest = [[gallery[own[i, :LEADING_IMAGES]].tolist() for own in ordered] for i in range(len(queries))]
        levels = cohort.levels(queries) if cohort else None
        return TrackScores(protocol.track, subjects, truth, best, levels=levels), nearest

    def _verified(
        self,
        protocol: Probes,
        embeddings: Embeddings,
        cohort: Cohort | None,
        verifier: LocalVerifier,
        keypoints: dict[int, Keypoints],
    ) -> TrackScores:
        scored, nearest = self._compared(protocol, embeddings, cohort)
        agreeing = np.zeros(scored.similarities.shape, np.float32)
        for i, row in enumerate(tqdm(protocol.queries, desc=f"keypoints {protocol.track}", unit="probe")):
            probe = self._keypoints(self._index[row.path], verifier, keypoints)
            for rank, subject in enumerate(np.argsort(-scored.similarities[i], kind="stable")[:COMPARED_SUBJECTS]):
                pictures = nearest[i][subject][: local_images(rank)]
                agreeing[i, subject] = max(
                    match_keypoints(probe, self._keypoints(j, verifier, keypoints)).weight for j in pictures
                )
        return replace(scored, agreeing=agreeing)

    def _keypoints(self, index: int, verifier: LocalVerifier, known: dict[int, Keypoints]) -> Keypoints:
        if index not in known:
            known[index] = verifier.extract_probe([self.images[index]])[0]
        return known[index]


def _with_strangers(protocol: Probes, compared: Callable[[Probes], TrackScores], *, outsiders: bool) -> TrackScores:
    """Score the queries, then the originals of simulated queries and, if wanted, the outsiders."""
    scores = compared(protocol)

    def others(rows: Sequence[Row]) -> TrackScores | None:
        return compared(replace(protocol, queries=rows)) if rows else None

    return replace(
        scores,
        strangers=others(protocol.strangers),
        outsiders=others(protocol.outsiders) if outsiders else None,
    )


def embedder(network: keras.Model) -> Embed:
    """Return the network as a function of images, which are resized if it has a fixed input size."""
    size = network.input_shape[1]

    def embed(images: NDArray[np.float32]) -> Embeddings:
        if size not in (None, images.shape[1]):
            images = np.stack([square_view(image.astype(np.uint8), size) for image in images]).astype(np.float32)
        return np.asarray(network.predict_on_batch(images), np.float32)

    return embed


def session_embedder(session: ModelSession) -> Embed:
    """Return an exported network as a function of images, which it takes as uint8."""
    return lambda images: session.run(images.astype(np.uint8))
