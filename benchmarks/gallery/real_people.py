"""The real people of the benchmark: embeddings of pictures of a bundle or of the sample set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from deploy.local.state_folder import REPOSITORY
from samples.sample_files import Sample, sample_set
from shared.images.decoding import decode_image
from shared.images.views import Image
from shared.modalities import load_registry
from shared.models.manifest import file_digest
from training.data.bundle_manifest import MANIFEST_NAME, Row, read_manifest
from training.data.synthetic_identities import deform
from training.evaluation.distractors import Persons, real_persons
from training.evaluation.scorers import ShippedModel

MOST_PICTURES = 4
"""Pictures of one person of a bundle. If there are fewer, they repeat."""
PICTURES_OF_SAMPLES = 2
VERSIONS = 60
"""Synthetic identities of each of the few people of the sample set."""


def training_rows(data: Path, modality: str) -> list[Row]:
    """Return the pictures that synthetic people may be mixed from: none of the test split."""
    rows = read_manifest(data)
    return [r for r in rows if (r.modality, r.split, r.role) == (modality, "train", "train") and r.subject]


def modality_with_most_people(data: Path | None) -> str:
    """Return the modality with most people in the training split, or in the sample set."""
    names = load_registry().names
    if data is None:
        return Counter(sample.modality for sample in sample_set(role="enrol")).most_common(1)[0][0]
    people = {name: len({row.subject for row in training_rows(data, name)}) for name in names}
    return max(people, key=lambda name: people[name])


def read_people(data: Path | None, modality: str, cache: Path) -> Persons:
    """Return float32 (people, pictures, d), cached in the folder `cache` by model and manifest."""
    model = ShippedModel(REPOSITORY / f"{modality}-service", load_registry()[modality], data or REPOSITORY)
    source = file_digest(data / MANIFEST_NAME)[-12:] if data else "samples"
    kept = cache / f"{modality}-{source}-{model.manifest.digest[-12:]}.npy"
    if not kept.is_file():
        persons = _of_bundle(model, data, modality) if data else _samples(model, modality)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, persons)
    return np.asarray(np.load(kept), np.float32)


def _of_bundle(model: ShippedModel, data: Path, modality: str) -> Persons:
    rows = training_rows(data, modality)
    model.embeddings(rows)  # each once; repeated if there are few
    return real_persons(model, rows, MOST_PICTURES, 0)


def _samples(model: ShippedModel, modality: str) -> Persons:
    """Return all sample patients with two pictures, each in several synthetic shapes."""
    chosen = [sample for sample in sample_set(modality=modality) if sample.role in {"enrol", "query"}]
    owned: dict[str, list[Sample]] = {}
    for sample in chosen:
        owned.setdefault(sample.patient_id, []).append(sample)
    pairs = [
        (who, [_decode(s) for s in own[:PICTURES_OF_SAMPLES]])
        for who, own in owned.items()
        if len(own) >= PICTURES_OF_SAMPLES
    ]
    shapes = [(who, pair, version) for version in range(VERSIONS) for who, pair in pairs]
    return np.stack(
        [
            np.stack([model.embed(deform(image, who, version, mirror=False)) for image in pair])
            for who, pair, version in tqdm(shapes, desc=f"people of {modality}", unit="person")
        ]
    )


def _decode(sample: Sample) -> Image:
    return decode_image(sample.read()).pixels
