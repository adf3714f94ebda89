"""Pretrained backbones by name: RGB 0-255 in, a feature map or averages of several maps out."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from training.data.imagenet_weights import LITE0_FILE, MOBILENET_V2_FILE

BOTTLENECKS = {
    "mobilenet_v2": ("block_12_add", "block_16_project_BN"),
    "efficientnet_lite0": ("add_14", "lite0_blocks_15__bn2"),
}
"""Layers with narrow maps (few channels) at 1/16 and 1/32 of the image's resolution."""


def build_backbone(name: str, size: int | None, weights: Path | None) -> keras.Model:
    """Return the backbone called `name` for square images of `size` pixels (None: any multiple of 32).

    `name` is one of BACKBONES, or two joined with `+` (a hybrid, whose feature maps are concatenated). `weights` is a
    folder with the files of ImageNet weights. If it lacks one, Keras downloads it. None: random weights.

    Raises:
        ValueError: there is no such backbone.
    """
    inputs = keras.Input((size, size, 3), name="rgb")
    maps = [BACKBONES[part](size, weights)(inputs) for part in _parts(name)]
    features = maps[0] if len(maps) == 1 else keras.layers.Concatenate(name="hybrid")(maps)
    return keras.Model(inputs, features, name="trunk")


def build_depths(name: str, size: int, weights: Path | None, *, grid: bool = False) -> keras.Model:
    """Return a backbone with features of every depth: float (n, size, size, 3), RGB 0-255 -> float (n, d).

    Each feature is the average of one channel over the image. The depths are the last activated maps of each
    resolution, the finest first: early layers show texture and light, late ones objects. With `grid`, averages over
    3 x 3 overlapping parts of the maps in `BOTTLENECKS` follow: they keep positions. `name`, `weights` and errors are
    those of `build_backbone`. A hybrid gives all features of its first part, then all of its second.
    """
    inputs = keras.Input((size, size, 3), name="rgb")
    averages = []
    for part in _parts(name):
        rescaling, network = BACKBONES[part](size, weights).layers[1:]
        activated, placed = _activated(network), _bottlenecks(part, network) if grid else []
        maps = keras.Model(network.input, [*activated, *placed], name=part)(rescaling(inputs))
        averages += [keras.layers.GlobalAveragePooling2D()(features) for features in maps[: len(activated)]]
        averages += [keras.layers.Flatten()(_in_nine_parts(features)) for features in maps[len(activated) :]]
    return keras.Model(inputs, keras.layers.Concatenate(name="averages")(averages), name="trunk")


def depth_sizes(depths: keras.Model) -> list[int]:
    """Return the number of features of each depth of a `build_depths` network, in order."""
    return [int(pooled.shape[-1]) for pooled in depths.get_layer("averages").input]


def freeze_batch_normalisation(backbone: keras.Model) -> None:
    """Keep the pretrained statistics: batches of a few subjects would spoil them."""
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _parts(name: str) -> list[str]:
    parts = name.split("+")
    unknown = [part for part in parts if part not in BACKBONES]
    if unknown:
        raise ValueError(
            f"There is no backbone {unknown[0]!r}. Choose from {', '.join(BACKBONES)}, or join two with +."
        )
    return parts


def _activated(network: keras.Model) -> list[keras.KerasTensor]:
    """Return the last activated map of each resolution, the finest first."""
    activations = keras.layers.ReLU | keras.layers.Activation
    maps = {layer.output.shape[1]: layer.output for layer in network.layers if isinstance(layer, activations)}
    return list(maps.values())


def _bottlenecks(name: str, network: keras.Model) -> list[keras.KerasTensor]:
    if name not in BOTTLENECKS:
        raise ValueError(f"{name} has no grid features. Choose from {', '.join(BOTTLENECKS)}, or turn grid off.")
    return [network.get_layer(layer).output for layer in BOTTLENECKS[name]]


def _in_nine_parts(features: keras.KerasTensor) -> keras.KerasTensor:
    """Float (n, s, s, c), s at least 3 -> (n, 3, 3, c)."""
    side = features.shape[1]
    stride = side // 3
    return keras.layers.AveragePooling2D(side - 2 * stride, strides=stride)(features)


def _scaled(network: keras.Model, size: int | None, scale: float, offset: float) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    return keras.Model(inputs, network(keras.layers.Rescaling(scale, offset)(inputs)), name=f"{network.name}_scaled")


def _file(weights: Path | None, name: str) -> str | None:
    if weights is None:
        return None
    return str(weights / name) if (weights / name).is_file() else "imagenet"


def _mobilenet_v2(size: int | None, weights: Path | None) -> keras.Model:
    network = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=_file(weights, MOBILENET_V2_FILE)
    )
    return _scaled(network, size, 1 / 127.5, -1.0)


def _efficientnet_lite0(size: int | None, weights: Path | None) -> keras.Model:
    if weights is None or not (weights / LITE0_FILE).is_file():
        raise ValueError(f"efficientnet_lite0 needs {LITE0_FILE} in the folder of weights (--weights).")
    with zipfile.ZipFile(weights / LITE0_FILE) as archive, TemporaryDirectory() as folder:
        # SavedModel accepts no names with a leading underscore, and PyTorch none with dots
        names = re.compile(r'"_((?:conv|bn|blocks)[^"]*)"')
        text = names.sub(lambda name: f'"lite0_{name[1].replace(".", "_")}"', archive.read("config.json").decode())
        config = json.loads(text)["config"]
        config["layers"][0]["config"]["batch_shape"] = (None, size, size, 3)
        network = keras.Model.from_config(config)
        network.load_weights(archive.extract("model.weights.h5", folder))
    return _scaled(keras.Model(network.input, _last_map(network), name="efficientnet_lite0"), size, 1 / 128, -127 / 128)


def _last_map(network: keras.Model) -> keras.KerasTensor:
    return next(layer.output for layer in reversed(network.layers) if len(layer.output.shape) == 4)


def _application(factory: str, scale: float, offset: float) -> Callable[[int | None, Path | None], keras.Model]:
    def build(size: int | None, weights: Path | None) -> keras.Model:
        network = getattr(keras.applications, factory)(
            input_shape=(size, size, 3),
            include_top=False,
            weights=_file(weights, f"{factory.lower()}_notop.weights.h5"),
        )
        return _scaled(network, size, scale, offset)

    return build


BACKBONES: dict[str, Callable[[int | None, Path | None], keras.Model]] = {
    "mobilenet": _application("MobileNet", 1 / 127.5, -1.0),
    "mobilenet_v2": _mobilenet_v2,
    "efficientnet_b0": _application("EfficientNetB0", 1.0, 0.0),
    "efficientnet_lite0": _efficientnet_lite0,
    # ResNet50V2 scales like MobileNet; the first version would need a layer for channel means.
    "resnet50": _application("ResNet50V2", 1 / 127.5, -1.0),
}
