"""The runtime that serves: LiteRT, TensorFlow's own small interpreter."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from shared.models.manifest import MODEL_FILE, file_digest
from shared.models.protocols import NETWORK_SIZE, Pixels

INPUT_SHAPE = (1, NETWORK_SIZE, NETWORK_SIZE, 3)


class LiteRTSession:
    """Implements `shared.models.protocols.ModelSession` over `model.tflite` in a model folder."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """ValueError where the file is no network of pixels; OSError or ValueError where it cannot be read."""
        path = folder / MODEL_FILE
        self._digest = file_digest(path)
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        _let_go(path)
        pixels = self._interpreter.get_input_details()[0]
        if tuple(pixels["shape"]) != INPUT_SHAPE or pixels["dtype"] not in (np.uint8, np.float32):
            takes = f"{pixels['dtype'].__name__} {tuple(pixels['shape'].tolist())}"
            raise ValueError(f"{MODEL_FILE} takes {takes}, not uint8 or float32 {INPUT_SHAPE}")
        self._input, self._input_type = pixels["index"], pixels["dtype"]
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
        """One picture after the other: on one core a batch of 8 takes 15-20 % longer, and tensors keep their size."""
        rows = np.empty((len(images), self._size), np.float32)
        for row, image in zip(rows, images, strict=True):
            self._interpreter.set_tensor(self._input, image[np.newaxis].astype(self._input_type, copy=False))
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._output)[0]
        return rows

    def close(self) -> None:
        """The interpreter frees its memory with itself."""
        del self._interpreter


def _let_go(path: Path) -> None:
    """Give the pages of the mapped file back to the kernel.

    The runtime keeps a copy of the weights in the order in which it multiplies, and hardly looks at the file again;
    where it does, the kernel reads that page anew.
    """
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith(str(path.resolve())):
            begin, end = (int(number, 16) for number in line.split()[0].split("-"))
            advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
