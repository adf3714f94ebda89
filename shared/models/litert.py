"""The runtime that serves: LiteRT, TensorFlow's own small interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from shared.models.contracts import Pixels
from shared.models.folder import MODEL_FILE, file_digest


class LiteRTSession:
    """Implements `shared.models.contracts.ModelSession` over `model.tflite` in a model folder."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        path = folder / MODEL_FILE
        self._digest = file_digest(path)
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        output = self._interpreter.get_output_details()[0]
        self._output, self._size = output["index"], int(output["shape"][-1])

    @property
    def digest(self) -> str:
        """Digest of the model file."""
        return self._digest

    @property
    def output_size(self) -> int:
        """Length of one output row."""
        return self._size

    def run(self, images: Pixels) -> NDArray[np.float32]:
        """One picture after the other: on one core a batch is no faster, and the tensors never need resizing."""
        rows = np.empty((len(images), self._size), np.float32)
        for row, image in zip(rows, images, strict=True):
            self._interpreter.set_tensor(self._input, image[np.newaxis])
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._output)[0]
        return rows

    def close(self) -> None:
        """The interpreter frees its memory with itself."""
        del self._interpreter
