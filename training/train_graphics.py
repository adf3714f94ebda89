"""`python -m training.train_graphics --data BUNDLE`: train and write the network that finds drawn marks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras

from training.data.bundle_manifest import read_manifest
from training.data.images import load_pictures
from training.engine.checkpoints import start_run
from training.engine.segmenter import EPOCHS, train_segmenter
from training.networks.int8 import convert_litert

MODEL = Path(__file__).parents[1] / "shared/images/graphics.tflite"


def export(network: keras.Model) -> bytes:
    """Return the network as LiteRT for one image, float32 (1, size, size, 3), 0-255: OpenCV reads no cast of bytes."""
    pixels = keras.Input(network.input_shape[1:], batch_size=1, dtype="float32", name="pixels")
    after_cast = keras.Model(network.layers[1].output, network.output)
    return convert_litert(keras.Model(pixels, after_cast(pixels)))


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 2 with a sentence on what is wrong with the data."""
    parser = argparse.ArgumentParser(prog="python -m training.train_graphics", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the images")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for checkpoints and losses")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=MODEL, help="file to write")
    parser.add_argument("--restart", action="store_true", help="delete the checkpoints of the last run first")
    options = parser.parse_args(arguments)
    try:
        rows = [row for row in read_manifest(options.data) if row.split == "train" and row.modality != "other"]
        run = options.runs / "graphics"
        start_run(run, restart=options.restart)
        options.out.write_bytes(export(train_segmenter(rows, load_pictures(options.data, rows), run, options.epochs)))
    except ValueError as error:
        print(f"train_graphics: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"wrote {options.out}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
