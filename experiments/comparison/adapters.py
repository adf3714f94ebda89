"""A trunk whose layers are modulated by a predicted mixture of modality bases: MaMI's adapter, in small."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

EARLY = "block_2_add"
"""The layer of MobileNetV2 whose average predicts the mixture: textures, a quarter of the picture's side."""
ADAPTED = tuple(f"block_{i}_expand" for i in (4, 6, 8, 10, 12, 14, 16))
"""The 1 x 1 convolutions of MobileNetV2 that are modulated."""
RANK = 4


class BasisAdapter(keras.layers.Layer):
    """What is added to a 1 x 1 convolution: low-rank changes of its kernel, mixed anew for every picture.

    The continuous-modality parameter adapter of MaMI (Tian et al., CVPR 2025, arXiv:2503.08173) changes a layer's
    kernel W to W + sum over k of w_k(picture) U_k V_k. U begins at zero, so that the trunk begins as it was.
    """

    def __init__(self, bases: int, rank: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bases, self.rank, self.channels = bases, rank, channels

    def build(self, features_shape: tuple[int | None, ...], mixture_shape: tuple[int | None, ...]) -> None:
        """Create V and U of all bases side by side."""
        inner = self.bases * self.rank
        self.down = self.add_weight(shape=(features_shape[-1], inner), initializer="glorot_uniform", name="down")
        self.up = self.add_weight(shape=(inner, self.channels), initializer="zeros", name="up")

    def call(self, features: keras.KerasTensor, mixture: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, c) and (n, bases), which sum to 1 -> (n, h, w, channels)."""
        weights = ops.repeat(mixture, self.rank, axis=-1)[:, None, None, :]
        return ops.matmul(weights * ops.matmul(features, self.down), self.up)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], mixture_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Shape of the convolution that it is added to."""
        return (*features_shape[:-1], self.channels)


def modulated(trunk: keras.Model, bases: int) -> keras.Model:
    """The MobileNetV2 trunk with adapters; it shares its layers with `trunk`."""
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
