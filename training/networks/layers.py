"""The networks' own layers, and the identifier: a trunk, pooling and an embedding (COMPA: engine.classifier)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from shared.contracts.internal import EMBEDDING_DIMENSION


@keras.saving.register_keras_serializable(package="medreid")
class GeneralisedMean(keras.layers.Layer):
    """Generalised-mean pooling (Radenović et al., TPAMI 2019) with one trainable exponent; 1 is the average."""

    def __init__(self, exponent: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_exponent = exponent

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the exponent."""
        self.exponent = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.initial_exponent), name="exponent"
        )

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, c), not negative -> (n, c)."""
        powers = ops.exp(self.exponent * ops.log(ops.maximum(features, 1e-4)))
        return ops.exp(ops.log(ops.mean(powers, axis=(1, 2))) / self.exponent)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "exponent": self.initial_exponent}


@keras.saving.register_keras_serializable(package="medreid")
class UnitLength(keras.layers.Layer):
    """L2 normalisation of the last axis."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, d) -> (n, d)."""
        return inputs * ops.rsqrt(ops.maximum(ops.sum(ops.square(inputs), axis=-1, keepdims=True), 1e-12))


@keras.saving.register_keras_serializable(package="medreid")
class Mirrored(keras.layers.Layer):
    """The picture with its left and right swapped."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, c) -> (n, h, w, c)."""
        return ops.flip(inputs, axis=2)


@keras.saving.register_keras_serializable(package="medreid")
class PixelsToFloat(keras.layers.Layer):
    """uint8 pixels as float32, so that the exported network takes the bytes of the picture."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Uint8 (n, h, w, c) -> float32 (n, h, w, c), still 0-255."""
        return ops.cast(inputs, "float32")


@keras.saving.register_keras_serializable(package="medreid")
class Positive(keras.layers.Layer):
    """Of a picture and its negative always the same one: the warmer of the two, or, without colour, the darker.

    A network behind it answers both alike. `warmth` says how much more colour counts than darkness. That no sum of
    the two is 0 for a picture but by accident, and changes its sign where black becomes white, is all that matters;
    skin and retina are warm, and scans are dark, so most pictures stay as they were taken.
    """

    def __init__(self, warmth: float = 20.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warmth = warmth

    def call(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, 3), RGB 0-255 -> the same, or 255 minus it."""
        centred = pixels - 127.5
        means = ops.mean(centred, axis=(1, 2), keepdims=True)
        weights = np.array([self.warmth, 0.0, -self.warmth], np.float32) - 1 / 3  # of red, green and blue
        taken = ops.sum(means * weights, axis=-1, keepdims=True) >= 0
        return 127.5 + centred * ops.where(taken, 1.0, -1.0)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "warmth": self.warmth}


@keras.saving.register_keras_serializable(package="medreid")
class LeftToRight(keras.layers.Layer):
    """The mean over a map, weighted from -1 at its left edge to 1 at its right: on which side something is."""

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, c) -> (n, c)."""
        weights = np.linspace(-1.0, 1.0, features.shape[2], dtype=np.float32).reshape(1, 1, -1, 1)
        return ops.mean(features * weights, axis=(1, 2))


def build_identifier(
    trunk: keras.Model, *, dense: int = 512, dropout: float = 0.4, exponent: float = 3.0
) -> keras.Model:
    """Trunk, generalised mean, dense, dropout, embedding: float (n, 256), L2-normalised.

    Both dense layers are linear, so that they can start as the whitening of the trunk's features
    (`training.engine.whitening`): training starts where frozen features end.
    """
    x = GeneralisedMean(exponent, name="pooling")(trunk.output)
    x = UnitLength(name="unit_features")(x)
    x = keras.layers.Dense(dense, name="dense")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(EMBEDDING_DIMENSION, name="embedding")(x)
    return keras.Model(trunk.input, UnitLength(name="unit_embedding")(x), name="identifier")


def linear_identifier(depths: keras.Model, *, dropout: float = 0.0) -> keras.Model:
    """One dense layer on the averages of `training.networks.backbones.build_depths`: float (n, 256), L2-normalised.

    It starts as the linear discriminant of the training patients (`training.engine.linear_discriminant`).
    """
    x = keras.layers.Dropout(dropout, name="dropout")(depths.output)
    x = keras.layers.Dense(EMBEDDING_DIMENSION, name="embedding")(x)
    return keras.Model(depths.input, UnitLength(name="unit_embedding")(x), name="identifier")


def mirror_symmetric(identifier: keras.Model) -> keras.Model:
    """The mean of a picture's embedding and its mirror image's: left and right eye look alike to it."""
    inputs = keras.Input(identifier.input_shape[1:], name="rgb")
    both = keras.layers.Add()([identifier(inputs), identifier(Mirrored()(inputs))])
    return keras.Model(inputs, UnitLength(name="unit_mean")(both), name="mirror_symmetric")
