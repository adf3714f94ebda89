"""The pipeline that all peers share: from uploaded bytes to the answer, in one call and one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.systems.template_set import Templates, load
from deploy.local.state_folder import REPOSITORY
from shared.classification.service import to_classification
from shared.identification.calibration import log_likelihood_ratios, normalise_cosines, posterior
from shared.identification.cohort import Cohort, read_cohort
from shared.identification.decision import decide
from shared.identification.matching import MAX_CANDIDATES
from shared.images.decoding import decode_image
from shared.images.recipes import Recipe, build_recipe
from shared.images.views import Image, network_view, standard_view
from shared.keypoints.geometry import GeometricMatch
from shared.keypoints.verification import LocalVerifier, build_verifier, largest
from shared.modalities import Modality, Registry, load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from shared.models.protocols import ModelSession, NetworkInput

GALLERY_VARIABLE = "MEDREID_BENCH_GALLERY"
"""Environment variable: the file of templates that a peer loads at its start."""
WORKERS_VARIABLE = "MEDREID_BENCH_WORKERS"
"""Environment variable: the number of processes of a peer."""
TOP = 3

StageRecorder = Callable[[str], None]
"""Records the time since the last call under the name of a stage."""


class Network(Protocol):
    """Runs one network."""

    def run(self, images: NetworkInput) -> NDArray[np.float32]:
        """Float32 (n, k) of uint8 (n, 224, 224, 3)."""


@dataclass(frozen=True)
class Found:
    """The nearest templates, all (k,), and the probe's level in the cohort, float (1,) (None without a cohort)."""

    nearest: NDArray[np.intp]
    cosines: NDArray[np.float32]
    levels: NDArray[np.float32] | None
    agreements: list[GeometricMatch | None]


@dataclass(frozen=True)
class _Ranked:
    """Indices into `Found` by falling probability, all (k,), and the probability of a stranger."""

    order: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    unknown: float


class Refused(Exception):
    """COMPA has refused the image."""


@dataclass(frozen=True)
class _Identifier:
    modality: Modality
    manifest: ModelManifest
    recipe: Recipe
    cohort: Cohort | None
    verifier: LocalVerifier | None
    templates: Templates


class Pipeline:
    """Decode, classify, preprocess, embed, search, compare keypoints and decide. Thread-safe if `networks` is.

    `in_doubt` always compares at least twenty candidates, as if none of the nearest three were clearly the person.
    """

    def __init__(
        self, networks: Mapping[str, Network], gallery: Mapping[str, Templates], *, in_doubt: bool = False
    ) -> None:
        self._first_round = 1 if in_doubt else 0
        registry: Registry = load_registry()
        self._networks = networks
        self._compa = read_manifest(REPOSITORY / "compa-service")
        self._identifiers = {
            name: _identifier(registry[name], templates) for name, templates in gallery.items() if name in networks
        }

    def identify(self, data: bytes, *, local: bool, record_stage: StageRecorder = lambda _: None) -> dict[str, Any]:
        """Return the gateway's answer without the operational fields. Raises Refused if COMPA refuses."""
        image = decode_image(data).pixels
        record_stage("decode")
        label = self.classify(image)
        record_stage("classify")
        known = self._identifiers[label]
        view = known.recipe(image)
        record_stage("recipe")
        probe = self._networks[label].run(network_view(view[np.newaxis]))[0]
        record_stage("embed")
        nearest, cosines = known.templates.nearest(probe, MAX_CANDIDATES)
        record_stage("search")
        levels = known.cohort.levels(probe[np.newaxis]) if known.cohort else None
        found = Found(nearest, cosines, levels, [None] * len(nearest))
        if local and known.verifier is not None:
            self._compare(known, known.verifier, view, found)
        record_stage("local verification")
        answer = _answer(known, label, found)
        record_stage("decide")
        return answer

    def classify(self, image: Image) -> str:
        """Return the modality of a uint8 (h, w, 3) image. Raises Refused if it has none."""
        outputs = self._networks["compa"].run(standard_view(image)[np.newaxis])
        verdict = to_classification(outputs, self._compa)
        label = verdict.labels[int(np.argmax(verdict.probabilities[0]))]
        if not verdict.accepted[0] or label not in self._identifiers:
            raise Refused
        return label

    def _compare(self, known: _Identifier, verifier: LocalVerifier, view: Image, found: Found) -> None:
        """Compare the keypoints of the nearest, in the stages of the service's cascade."""
        probe, before = verifier.extract_probe([view]), 0
        for one in verifier.stages[self._first_round :]:
            further = slice(before, one.candidates)
            stored = [[known.templates.local[i]] for i in found.nearest[further].tolist()]
            found.agreements[further] = [largest(matches) for matches in verifier.match(probe, stored)]
            if one.stops(_ranked(known, found).probabilities[0]):
                break
            before = one.candidates


def _identifier(modality: Modality, templates: Templates) -> _Identifier:
    folder = REPOSITORY / f"{modality.name}-service"
    manifest = read_manifest(folder)
    recipe, cohort = build_recipe(modality.recipe), read_cohort(folder, manifest)
    return _Identifier(modality, manifest, recipe, cohort, build_verifier(modality), templates)


def _ranked(known: _Identifier, found: Found) -> _Ranked:
    calibration = known.manifest.calibration
    if calibration is None:
        raise ValueError(f"{known.manifest.name}-service/ holds a model without calibration")
    similarities = normalise_cosines(found.cosines[np.newaxis], found.levels, calibration)[0]
    weights = [agreement.weight if agreement else None for agreement in found.agreements]
    ratios = log_likelihood_ratios(similarities, weights, calibration)
    order = np.argsort(-ratios, kind="stable")
    return _Ranked(order, *posterior(ratios[order], len(known.templates.local), calibration))


def _answer(known: _Identifier, label: str, found: Found) -> dict[str, Any]:
    ranked = _ranked(known, found)
    candidates = [
        {
            "patient_id": known.templates.patient(int(found.nearest[i])),
            "similarity": float(found.cosines[i]),
            "inliers": agreement.inliers if (agreement := found.agreements[i]) else None,
            "confidence": float(probability),
        }
        for i, probability in zip(ranked.order[:TOP].tolist(), ranked.probabilities[:TOP].tolist(), strict=True)
    ]
    decision = decide(float(ranked.probabilities[0]), ranked.unknown, known.modality.threshold)
    return {"decision": decision, "modality": label, "unknown_probability": ranked.unknown, "candidates": candidates}


def network_names() -> tuple[str, ...]:
    """Return COMPA and every modality of the registry: a deployment has all of them in memory."""
    return ("compa", *load_registry().names)


def litert_networks() -> dict[str, ModelSession]:
    """Load all networks on LiteRT with one thread each, as the product does."""
    return {name: LiteRTSession(REPOSITORY / f"{name}-service") for name in network_names()}


def gallery_of_environment() -> dict[str, Templates]:
    """Load the templates that the bench names, and limit OpenCV to one thread per request, as the product does."""
    cv2.setNumThreads(1)
    return load(Path(os.environ[GALLERY_VARIABLE]))


def litert_pipeline(gallery: Mapping[str, Templates] | None = None, *, in_doubt: bool = False) -> Pipeline:
    """Return a pipeline with its own interpreters."""
    templates = gallery_of_environment() if gallery is None else gallery
    return Pipeline(litert_networks(), templates, in_doubt=in_doubt)
