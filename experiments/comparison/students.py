"""Networks of the candidates: a backbone, with adapters or without, and a head for each modality or for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from experiments.comparison.candidates import SIZE, Candidate
from experiments.comparison.material import Views
from training.engine.validation import Embeddings
from training.networks.backbones import build_backbone, freeze_batch_normalisation
from training.networks.layers import build_identifier

EARLY = "block_2_add"
"""Layer of MobileNetV2 whose average predicts the mixture. Its maps are a quarter of the picture's side."""
ADAPTED = tuple(f"block_{i}_expand" for i in (4, 6, 8, 10, 12, 14, 16))
"""1 x 1 convolutions of MobileNetV2 that get an adapter."""
RANK = 4
MOMENTUM = 0.9
"""Momentum of batch normalisation of random backbones. The default is too slow for a short training."""
BATCH = 64


class BasisAdapter(keras.layers.Layer):
    """Low-rank changes of the kernel of a 1 x 1 convolution, mixed for each picture.

    The continuous-modality parameter adapter of MaMI (Tian et al., CVPR 2025, arXiv:2503.08173) changes a kernel W to
    W + sum over k of w_k(picture) U_k V_k. U starts at zero, so the network starts unchanged.
    """

    def __init__(self, bases: int, rank: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bases, self.rank, self.channels = bases, rank, channels

    def build(self, features_shape: tuple[int | None, ...], mixture_shape: tuple[int | None, ...]) -> None:
        """Create V and U of all bases."""
        inner = self.bases * self.rank
        self.down = self.add_weight(shape=(features_shape[-1], inner), initializer="glorot_uniform", name="down")
        self.up = self.add_weight(shape=(inner, self.channels), initializer="zeros", name="up")

    def call(self, features: keras.KerasTensor, mixture: keras.KerasTensor) -> keras.KerasTensor:
        """Map float (n, h, w, c) and mixtures (n, bases) to (n, h, w, channels)."""
        weights = ops.repeat(mixture, self.rank, axis=-1)[:, None, None, :]
        return ops.matmul(weights * ops.matmul(features, self.down), self.up)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], mixture_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Return the shape of the convolution."""
        return (*features_shape[:-1], self.channels)


def modulated(trunk: keras.Model, bases: int) -> keras.Model:
    """Return a MobileNetV2 with adapters. It shares its layers with `trunk`."""
    mixtures: list[keras.KerasTensor] = []

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        output = layer(*args, **kwargs)
        if layer.name == EARLY:
            average = keras.layers.GlobalAveragePooling2D(name="early")(output)
            mixtures.append(keras.layers.Dense(bases, activation="softmax", name="mixture")(average))
        if layer.name in ADAPTED:
            adapter = BasisAdapter(bases, RANK, output.shape[-1], name=f"{layer.name}_adapter")
            output = keras.layers.Add(name=f"{layer.name}_adapted")([output, adapter(args[0], mixtures[0])])
        return output

    return keras.models.clone_model(trunk, clone_function=lambda layer: layer, call_function=call, recursive=True)


@dataclass(frozen=True)
class Student:
    """A network with one embedding per modality, not normalised. A shared head is repeated in `heads`."""

    trunk: keras.Model
    network: keras.Model
    heads: Sequence[keras.Model]

    @property
    def parameters(self) -> int:
        """Number of parameters of backbone and heads."""
        return int(self.network.count_params())


def build_student(candidate: Candidate, names: Sequence[str], weights: Path | None) -> Student:
    """Build the network of a candidate for the modalities `names`. Its heads are not whitened yet."""
    trunk = build_backbone(candidate.trunk, SIZE, weights if candidate.pretrained else None)
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
    """Build the head of the identifier without the last normalisation: feature map -> float (n, 256)."""
    features = keras.Input(trunk.output_shape[1:])
    identifier = build_identifier(keras.Model(features, features))
    return keras.Model(features, identifier.get_layer("embedding").output, name=f"head_{name}")


def predicted(network: keras.Model, images: Views) -> list[NDArray[np.float32]]:
    """Return every output of `network` for images, uint8 (n, s, s, 3): float32 (n, d) each."""
    parts = []
    for i in range(0, len(images), BATCH):
        outputs = network.predict_on_batch(images[i : i + BATCH].astype(np.float32))
        parts.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)]


def embeddings(student: Student, output: int, images: Views) -> Embeddings:
    """Return the unit embeddings of one head for images, uint8 (n, SIZE, SIZE, 3): float32 (n, 256)."""
    embedded = predicted(student.network, images)[output]
    return np.asarray(embedded / np.linalg.norm(embedded, axis=1, keepdims=True), np.float32)


def _quicken_batch_normalisation(trunk: keras.Model) -> None:
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
