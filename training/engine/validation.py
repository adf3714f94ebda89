"""How well an embedder finds the validation subjects: what checkpoints are chosen by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
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
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import Probes, validation_protocols

Embeddings = NDArray[np.float32]
"""float32 (n, d), L2-normalised."""
Embed = Callable[[NDArray[np.float32]], Embeddings]
"""From float32 (n, h, w, 3), RGB 0-255 after the recipe."""
FITTED = 150
"""Probes of a track by whose keypoints a calibration is fitted: pairs cost a millisecond each."""


def draw(count: int, most: int) -> list[int]:
    """Which `most` of `count` probes are asked: always the same, in order."""
    return sorted(np.random.default_rng(0).permutation(count)[:most].tolist())


COMPARED = 60
"""Nearest subjects whose keypoints are compared; in service it is a third of that, in galleries of any size."""


@dataclass(frozen=True)
class Score:
    """Figures of one validation track."""

    track: str
    queries: int
    subjects: int
    rank1: float
    mean_average_precision: float


@dataclass(frozen=True)
class Scored:
    """A track with the similarities of its probes: float (queries, subjects), best over each subject's gallery.

    `agreeing`, where keypoints were compared, is float (queries, subjects): the weight of those that agree, with the
    pictures that were most similar.
    `levels`, where there is a cohort, is float (queries,): how near each probe is to it. `strangers`, where queries are
    made pictures, are the same ones as they were taken: what is asked where their own patient is not enrolled.
    `outsiders` are people who have no query, asked as strangers; their own column is not to be looked at.
    """

    track: str
    subjects: Sequence[str]
    truth: NDArray[np.intp]
    similarities: NDArray[np.float32]
    agreeing: NDArray[np.float32] | None = None
    levels: NDArray[np.float32] | None = None
    strangers: Scored | None = None
    outsiders: Scored | None = None

    @property
    def score(self) -> Score:
        """Rank-1 and mean average precision; with one relevant subject a query's precision is 1 / rank."""
        own = self.similarities[np.arange(len(self.truth)), self.truth]
        ranks = (self.similarities >= own[:, np.newaxis]).sum(axis=1)  # ties count against the patient
        return Score(
            self.track, len(self.truth), len(self.subjects), float(np.mean(ranks == 1)), float(np.mean(1 / ranks))
        )

    def drawn(self, most: int) -> Scored:
        """The track with at most so many probes."""
        rows = draw(len(self.truth), most)
        agreeing = None if self.agreeing is None else self.agreeing[rows]
        levels = None if self.levels is None else self.levels[rows]
        return Scored(
            self.track,
            self.subjects,
            self.truth[rows],
            self.similarities[rows],
            agreeing,
            levels,
            strangers=self.strangers.drawn(most) if self.strangers else None,
            outsiders=self.outsiders.drawn(most) if self.outsiders else None,
        )


class ValidationSet:
    """The validation pictures after the recipe, and the protocols over them."""

    def __init__(
        self,
        rows: Sequence[Row],
        pictures: Pictures,
        recipe: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
        protocols: Sequence[Probes] | None = None,
    ) -> None:
        self.protocols = validation_protocols(rows) if protocols is None else protocols
        self.paths = sorted({r.path for p in self.protocols for r in (*p.gallery, *p.queries, *p.strangers)})
        self.images = np.stack([recipe(pictures[path]) for path in self.paths])
        self._index = {path: i for i, path in enumerate(self.paths)}

    def without_outsiders(self) -> ValidationSet:
        """The same pictures, and only queries asked."""
        same = copy(self)
        same.protocols = [replace(protocol, outsiders=()) for protocol in self.protocols]
        return same

    def embeddings(self, embed: Embed, batch: int = 64) -> Embeddings:
        """float32 (n, d) of all pictures, in the order of `paths`."""
        starts = range(0, len(self.images), batch)
        return np.concatenate([embed(network_view(self.images[i : i + batch]).astype(np.float32)) for i in starts])

    def scored(self, embeddings: Embeddings, cohort: Cohort | None = None) -> list[Scored]:
        """Similarities of every track's probes to its gallery, and their levels where there is a cohort."""
        return [_with_strangers(p, lambda one: self._compared(one, embeddings, cohort)[0]) for p in self.protocols]

    def verified(
        self, embeddings: Embeddings, verifier: LocalVerifier, cohort: Cohort | None = None, most: int = FITTED
    ) -> list[Scored]:
        """The same with what the keypoints weigh that agree, of every pair of at most `most` probes a track."""
        keypoints: dict[int, Keypoints] = {}
        with threadpool_limits(1):  # matrices this small are multiplied faster than threads can be told
            some = [p.drawn(draw(len(p.queries), most), draw(len(p.outsiders), most)) for p in self.protocols]
            return [
                _with_strangers(p, lambda one: self._verified(one, embeddings, cohort, verifier, keypoints))
                for p in some
            ]

    def _compared(
        self, protocol: Probes, embeddings: Embeddings, cohort: Cohort | None
    ) -> tuple[Scored, list[list[list[int]]]]:
        """The scores, and per query and subject the rows of `embeddings` that were most similar, the nearest first."""
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
        return Scored(protocol.track, subjects, truth, best, levels=levels), nearest

    def _verified(
        self,
        protocol: Probes,
        embeddings: Embeddings,
        cohort: Cohort | None,
        verifier: LocalVerifier,
        keypoints: dict[int, Keypoints],
    ) -> Scored:
        scored, nearest = self._compared(protocol, embeddings, cohort)
        agreeing = np.zeros(scored.similarities.shape, np.float32)
        for i, row in enumerate(tqdm(protocol.queries, desc=f"keypoints {protocol.track}", unit="probe")):
            probe = self._keypoints(self._index[row.path], verifier, keypoints)
            for rank, subject in enumerate(np.argsort(-scored.similarities[i], kind="stable")[:COMPARED]):
                pictures = nearest[i][subject][: local_images(rank)]
                agreeing[i, subject] = max(
                    match_keypoints(probe, self._keypoints(j, verifier, keypoints)).weight for j in pictures
                )
        return replace(scored, agreeing=agreeing)

    def _keypoints(self, index: int, verifier: LocalVerifier, known: dict[int, Keypoints]) -> Keypoints:
        if index not in known:
            known[index] = verifier.extract_probe([self.images[index]])[0]
        return known[index]


def _with_strangers(protocol: Probes, compared: Callable[[Probes], Scored]) -> Scored:
    """The queries compared, what they are made of where they are made, and the outsiders."""

    def others(rows: Sequence[Row]) -> Scored | None:
        return compared(replace(protocol, queries=rows)) if rows else None

    return replace(compared(protocol), strangers=others(protocol.strangers), outsiders=others(protocol.outsiders))


def embedder(network: keras.Model) -> Embed:
    """The network as a function of pictures, which are brought to its size where it takes one alone."""
    size = network.input_shape[1]

    def embed(images: NDArray[np.float32]) -> Embeddings:
        fitting = images if size in (None, images.shape[1]) else _resized(images, size)
        return np.asarray(network.predict_on_batch(fitting), np.float32)

    return embed


def _resized(images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return np.stack([square_view(image.astype(np.uint8), size) for image in images]).astype(np.float32)
