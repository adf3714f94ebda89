"""Opening a model folder, and making sure that it answers as it did when it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from shared.models.manifest import ModelManifest, golden_image
from shared.models.protocols import ModelSession

Runtime = Literal["litert", "tensorflow"]


def open_session(folder: Path, runtime: Runtime = "litert", threads: int = 1) -> ModelSession:
    """The network in `folder` on a runtime; OSError or ValueError where the file is missing or no model."""
    if runtime == "tensorflow":
        from shared.models.keras import KerasSession  # noqa: PLC0415 - needs the extra `tensorflow`

        return KerasSession(folder)
    from shared.models.litert import LiteRTSession  # noqa: PLC0415 - needs the extra `model`

    return LiteRTSession(folder, threads)


def check_golden(session: ModelSession, manifest: ModelManifest) -> None:
    """ValueError where the session's answer to the golden image is not the trained network's."""
    answer = session.run(golden_image())[0]
    expected = np.asarray(manifest.golden.output, np.float32)
    if answer.shape != expected.shape:
        raise ValueError(
            f"the model answers {len(answer)} numbers, not {len(expected)}: model.tflite and model.json do not match"
        )
    cosine = float(answer @ expected / (np.linalg.norm(answer) * np.linalg.norm(expected)))
    if not cosine >= manifest.golden.minimum_cosine:
        raise ValueError(f"the model answers the golden image wrongly: cosine {cosine:.4f}")
