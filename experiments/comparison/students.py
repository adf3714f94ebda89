"""The networks that are compared: one trunk, as it is or modulated, and a head for each modality or for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.comparison.adapters import modulated
from experiments.comparison.candidates import SIZE, Candidate
from experiments.comparison.material import Views
from training.engine.validation import Embeddings
from training.networks.backbones import build_trunk, freeze_batch_normalisation
from training.networks.layers import build_identifier

MOMENTUM = 0.9
"""Of the statistics of batch normalisation where they are learned: a short training would not move slower ones."""
BATCH = 64


@dataclass(frozen=True)
class Student:
    """A network with an embedding, not normalised, per modality; `heads` repeats one that is shared."""

    trunk: keras.Model
    network: keras.Model
    heads: Sequence[keras.Model]

    @property
    def parameters(self) -> int:
        """Of trunk and heads."""
        return int(self.network.count_params())


def build_student(candidate: Candidate, names: Sequence[str], weights: Path | None) -> Student:
    """The candidate's network for the modalities `names`, its heads not yet whitened."""
    trunk = build_trunk(candidate.trunk, SIZE, weights if candidate.pretrained else None)
    if candidate.pretrained:
        freeze_batch_normalisation(trunk)
    else:
        _quicken_batch_normalisation(trunk)
    body = modulated(trunk, candidate.bases) if candidate.bases else trunk
    if candidate.one_head:
        heads = [build_head(trunk, "all")] * len(names)
    else:
        heads = [build_head(trunk, name) for name in names]
    return Student(trunk, keras.Model(body.input, [head(body.output) for head in heads]), heads)


def build_head(trunk: keras.Model, name: str) -> keras.Model:
    """Pooling and embedding of training's identifier, up to the normalisation: feature map -> float (n, 256)."""
    features = keras.Input(trunk.output_shape[1:])
    identifier = build_identifier(keras.Model(features, features))
    return keras.Model(features, identifier.get_layer("embedding").output, name=f"head_{name}")


def predicted(network: keras.Model, images: Views) -> list[NDArray[np.float32]]:
    """Every output of `network` for uint8 (n, s, s, 3): float32 (n, d) each."""
    parts = []
    for i in range(0, len(images), BATCH):
        outputs = network.predict_on_batch(images[i : i + BATCH].astype(np.float32))
        parts.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)]


def embeddings(student: Student, output: int, images: Views) -> Embeddings:
    """Unit embeddings of uint8 (n, SIZE, SIZE, 3) by one of the student's heads: float32 (n, 256)."""
    embedded = predicted(student.network, images)[output]
    return np.asarray(embedded / np.linalg.norm(embedded, axis=1, keepdims=True), np.float32)


def _quicken_batch_normalisation(trunk: keras.Model) -> None:
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
