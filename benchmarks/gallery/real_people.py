"""The real people of the benchmark: pictures through the network that ships, of a bundle or of the sample set."""

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
"""Pictures of one person of a bundle; who has fewer shows the same ones again."""
PICTURES_OF_SAMPLES = 2
VERSIONS = 60
"""Virtual identities of each person of the sample set, which has a handful."""


def training_rows(data: Path, modality: str) -> list[Row]:
    """The pictures of a bundle that people may be made of: never any of its test split."""
    rows = read_manifest(data)
    return [r for r in rows if (r.modality, r.split, r.role) == (modality, "train", "train") and r.subject]


def modality_with_most_people(data: Path | None) -> str:
    """Of the training part of the bundle, or of the sample set."""
    names = load_registry().names
    if data is None:
        return Counter(sample.modality for sample in sample_set(role="enrol")).most_common(1)[0][0]
    people = {name: len({row.subject for row in training_rows(data, name)}) for name in names}
    return max(people, key=lambda name: people[name])


def read_people(data: Path | None, modality: str, cache: Path) -> Persons:
    """Float32 (people, pictures, d); kept in the folder `cache` for the model and the manifest they come from."""
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
    model.embeddings(rows)  # each once; the same ones are drawn again of whoever has few
    return real_persons(model, rows, MOST_PICTURES, 0)


def _samples(model: ShippedModel, modality: str) -> Persons:
    """Everybody of whom the sample set has two pictures, in so many shapes."""
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
