"""The LiteRT runtime (TensorFlow's own small interpreter) behind the `ModelSession` protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import MODEL_FILE, file_digest
from shared.models.protocols import NETWORK_SIZE, NetworkInput

INPUT_SHAPE = (1, NETWORK_SIZE, NETWORK_SIZE, 3)


class LiteRTSession:
    """Implements `shared.models.protocols.ModelSession` over `model.tflite` in a model folder."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the network. Raises OSError if the file cannot be read, ValueError if it is no network of images."""
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - the gateway has no LiteRT

        path = folder / MODEL_FILE
        self._digest = file_digest(path)
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        pixels = self._interpreter.get_input_details()[0]
        if tuple(pixels["shape"]) != INPUT_SHAPE or pixels["dtype"] not in (np.uint8, np.float32):
            takes = f"{pixels['dtype'].__name__} {tuple(pixels['shape'].tolist())}"
            raise ValueError(f"{MODEL_FILE} takes {takes}, not uint8 or float32 {INPUT_SHAPE}")
        self._input, self._input_type = pixels["index"], pixels["dtype"]
        output = self._interpreter.get_output_details()[0]
        self._output, self._size = output["index"], int(output["shape"][-1])

    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of the model file."""
        return self._digest

    @property
    def output_size(self) -> int:
        """Length of one output row."""
        return self._size

    def run(self, images: NetworkInput) -> NDArray[np.float32]:
        """Return float32 (n, output_size) for uint8 (n, 224, 224, 3).

        Images run one by one: on one core a batch of 8 takes 15 to 20 % longer, and tensors keep their size.
        """
        rows = np.empty((len(images), self._size), np.float32)
        for row, image in zip(rows, images, strict=True):
            self._interpreter.set_tensor(self._input, image[np.newaxis].astype(self._input_type, copy=False))
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._output)[0]
        return rows

    def close(self) -> None:
        """Free the interpreter and its memory."""
        del self._interpreter
