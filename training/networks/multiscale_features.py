"""A frozen trunk read at several depths: textures from early layers, things from late ones, one row per picture."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from shared.models.protocols import NETWORK_SIZE
from training.networks.layers import LeftToRight, Positive


def tapped(trunk: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Float (n, 224, 224, 3), RGB 0-255 -> float (n, d): averages of the named layers and the last map, then its sides.

    The picture is first made as small as the trunk takes it: the smaller the faster. A negative is read as its
    picture. `trunk` is a single one of `training.networks.backbones`. ValueError where it has no layer of a name.
    """
    size = trunk.input_shape[1]
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), name="pixels")
    x = inputs if size == NETWORK_SIZE else keras.layers.Resizing(size, size, name="smaller")(inputs)
    rescaling, network = trunk.layers[1].layers[1:]
    maps = [network.get_layer(name).output for name in layers]
    *early, last = keras.Model(network.input, [*maps, network.output], name=network.name)(
        rescaling(Positive(name="positive")(x))
    )
    rows = [keras.layers.GlobalAveragePooling2D()(features) for features in (*early, last)]
    return keras.Model(inputs, keras.layers.Concatenate(name="taps")([*rows, LeftToRight()(last)]), name="tapped")
