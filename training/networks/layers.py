"""Own layers, the heads of identifiers and of COMPA, and backbone features of several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.models.protocols import NETWORK_SIZE


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
class PixelsToFloat(keras.layers.Layer):
    """Cast uint8 pixels to float32, so that the exported network takes the bytes of an image."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Uint8 (n, h, w, c) -> float32 (n, h, w, c), still 0-255."""
        return ops.cast(inputs, "float32")


@keras.saving.register_keras_serializable(package="medreid")
class Positive(keras.layers.Layer):
    """Map an image and its negative to the same one: the warmer of the two, or, without colour, the darker.

    A network behind it gives both the same answer. `warmth` is the weight of colour (red minus blue) against darkness.
    The weighted sum is almost never 0 and changes its sign in the negative, so it tells the two apart. Skin and retina
    are warm and scans are dark, so most images pass unchanged.
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
    """Average a map, weighted from -1 at its left edge to 1 at its right: it shows the side of a structure."""

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Float (n, h, w, c) -> (n, c)."""
        weights = np.linspace(-1.0, 1.0, features.shape[2], dtype=np.float32).reshape(1, 1, -1, 1)
        return ops.mean(features * weights, axis=(1, 2))


def build_identifier(
    backbone: keras.Model, *, dense: int = 512, dropout: float = 0.4, exponent: float = 3.0
) -> keras.Model:
    """Join backbone, generalised mean, dense, dropout and embedding: float (n, 256), L2-normalised.

    Both dense layers are linear, so that they can start as the whitening of the backbone's features
    (`training.engine.whitening`).
    """
    x = GeneralisedMean(exponent, name="pooling")(backbone.output)
    x = UnitLength(name="unit_features")(x)
    x = keras.layers.Dense(dense, name="dense")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(EMBEDDING_DIMENSION, name="embedding")(x)
    return keras.Model(backbone.input, UnitLength(name="unit_embedding")(x), name="identifier")


def linear_identifier(depths: keras.Model) -> keras.Model:
    """Join the features of `backbones.build_depths` and one dense layer: float (n, 256), L2-normalised.

    The layer is set to a linear discriminant (`training.engine.linear_discriminant`). The dropout layer does nothing in
    service; it keeps exports equal to those of earlier versions.
    """
    x = keras.layers.Dropout(0.4, name="dropout")(depths.output)
    x = keras.layers.Dense(EMBEDDING_DIMENSION, name="embedding")(x)
    return keras.Model(depths.input, UnitLength(name="unit_embedding")(x), name="identifier")


def classifier_head(
    features: NDArray[np.float32], labels: int, subtypes: Mapping[str, int], *, dense: int = 256, dropout: float = 0.3
) -> keras.Model:
    """Return COMPA's head: float (n, d) -> `probabilities`, float (n, labels), one output per modality of `subtypes`.

    Mean and variance of `features`, float32 (m, d) of training images, scale the inputs. Sub-types have a linear layer
    only, since a deeper one would overfit their few images.
    """
    inputs = keras.Input((features.shape[1],), name="features")
    mean, variance = features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64)
    scaled = keras.layers.Normalization(mean=mean, variance=variance + 1e-4, name="scaled")(inputs)
    x = keras.layers.Dropout(dropout, name="dropout_features")(scaled)
    hidden = keras.layers.Dense(dense, activation="relu", name="dense")(x)
    hidden = keras.layers.Dropout(dropout, name="dropout_hidden")(hidden)
    outputs = {"probabilities": keras.layers.Dense(labels, activation="softmax", name="probabilities")(hidden)}
    for modality, count in subtypes.items():
        outputs[modality] = keras.layers.Dense(count, activation="softmax", name=modality)(x)
    return keras.Model(inputs, outputs, name="head")


def multiscale_features(backbone: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a network for features of several layers: float (n, 224, 224, 3), RGB 0-255 -> float (n, d).

    The features are averages of the named layers and of the last map, then `LeftToRight` of the last map. The image is
    resized to the input of `backbone` (one of `backbones.BACKBONES`, no hybrid). A negative gives the same features.

    Raises:
        ValueError: the backbone has no layer of such a name.
    """
    size = backbone.input_shape[1]
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), name="pixels")
    x = inputs if size == NETWORK_SIZE else keras.layers.Resizing(size, size, name="smaller")(inputs)
    rescaling, network = backbone.layers[1].layers[1:]
    maps = [network.get_layer(name).output for name in layers]
    *early, last = keras.Model(network.input, [*maps, network.output], name=network.name)(
        rescaling(Positive(name="positive")(x))
    )
    rows = [keras.layers.GlobalAveragePooling2D()(features) for features in (*early, last)]
    return keras.Model(inputs, keras.layers.Concatenate(name="taps")([*rows, LeftToRight()(last)]), name="tapped")
