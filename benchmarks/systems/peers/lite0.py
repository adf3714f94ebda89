"""EfficientNet-Lite0 with random weights, for timing without the file of trained weights.

EfficientNet-B0 (Tan & Le, ICML 2019, table 1) without squeeze-and-excitation and with ReLU6 in place of swish, as
TensorFlow's EfficientNet-Lite defines it.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

BLOCKS = (
    # kernel, expansion, channels, repeats, stride
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
STEM, HEAD = 32, 1280


def efficientnet_lite0(size: int) -> Any:
    """Float (n, size, size, 3), 0-255 -> (n, size / 32, size / 32, 1280)."""
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 128, -127 / 128)(inputs)
    x = _activated(layers.Conv2D(STEM, 3, strides=2, padding="same", use_bias=False)(x))
    for kernel, expansion, channels, repeats, stride in BLOCKS:
        for number in range(repeats):
            x = _block(x, kernel, expansion, channels, stride if number == 0 else 1)
    x = _activated(layers.Conv2D(HEAD, 1, use_bias=False)(x))
    return keras.Model(inputs, x, name="efficientnet_lite0")


def _block(x: Any, kernel: int, expansion: int, channels: int, stride: int) -> Any:
    """Build an inverted bottleneck, added to its input if the shapes agree."""
    entered, y = x.shape[-1], x
    if expansion > 1:
        y = _activated(layers.Conv2D(expansion * entered, 1, use_bias=False)(y))
    y = _activated(layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(y))
    y = layers.BatchNormalization()(layers.Conv2D(channels, 1, use_bias=False)(y))
    return layers.Add()([x, y]) if stride == 1 and entered == channels else y


def _activated(x: Any) -> Any:
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))
