"""Pretrained trunks behind one name each: RGB 0-255 in, a feature map (h/32, w/32, channels) out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import keras

LITE0_FILE = "efficientnet_lite0_imagenet_notop.keras"
MOBILENET_V2_FILE = "mobilenet_v2_1.0_224_imagenet_notop.weights.h5"


def build_trunk(name: str, size: int | None, weights: Path | None) -> keras.Model:
    """The trunk called `name` for square pictures of `size` pixels (None: any multiple of 32).

    `name` is one of TRUNKS, or two joined with `+` (a hybrid, whose feature maps are concatenated). `weights` is a
    folder with the files of ImageNet weights; where it lacks one, Keras' own download is tried; None starts from
    random weights. ValueError where there is no such trunk.
    """
    inputs = keras.Input((size, size, 3), name="rgb")
    parts = name.split("+")
    unknown = [part for part in parts if part not in TRUNKS]
    if unknown:
        raise ValueError(f"there is no trunk {unknown[0]!r}; choose from {', '.join(TRUNKS)} or join two with +")
    maps = [TRUNKS[part](size, weights)(inputs) for part in parts]
    features = maps[0] if len(maps) == 1 else keras.layers.Concatenate(name="hybrid")(maps)
    return keras.Model(inputs, features, name="trunk")


def freeze_batch_normalisation(trunk: keras.Model) -> None:
    """Use the pretrained statistics as they are: batches of a few subjects would spoil them."""
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


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
        raise ValueError(f"efficientnet_lite0 needs {LITE0_FILE} in the weights folder (--weights)")
    stored = keras.models.load_model(weights / LITE0_FILE, compile=False)
    # SavedModel, the way to LiteRT, takes no names that begin with an underscore
    config = json.loads(re.sub(r'"_(?=conv|bn|blocks)', '"lite0_', json.dumps(stored.get_config())))
    config["layers"][0]["config"]["batch_shape"] = (None, size, size, 3)
    resized = keras.Model.from_config(config)
    resized.set_weights(stored.get_weights())
    return _scaled(keras.Model(resized.input, _last_map(resized), name="efficientnet_lite0"), size, 1 / 128, -127 / 128)


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


TRUNKS: dict[str, Callable[[int | None, Path | None], keras.Model]] = {
    "mobilenet": _application("MobileNet", 1 / 127.5, -1.0),
    "mobilenet_v2": _mobilenet_v2,
    "efficientnet_b0": _application("EfficientNetB0", 1.0, 0.0),
    "efficientnet_lite0": _efficientnet_lite0,
    # ResNet50V2 scales like MobileNet; the first version's channel means would need a layer of their own.
    "resnet50": _application("ResNet50V2", 1 / 127.5, -1.0),
}
