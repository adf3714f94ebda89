"""The golden image: a generated picture whose answer proves that a loaded network is the trained one."""

from __future__ import annotations

import numpy as np

from shared.models.manifest import ModelManifest
from shared.models.protocols import NETWORK_SIZE, ModelSession, NetworkInput


def golden_image() -> NetworkInput:
    """Return uint8 (1, 224, 224, 3): gradients, rings and seeded noise. It shows no patient."""
    y, x = np.mgrid[0:NETWORK_SIZE, 0:NETWORK_SIZE].astype(np.float32) / (NETWORK_SIZE - 1)
    rings = 0.5 + 0.5 * np.sin(40.0 * np.hypot(x - 0.45, y - 0.55))
    noise = np.random.default_rng(20240229).random((NETWORK_SIZE, NETWORK_SIZE), dtype=np.float32)
    channels = np.stack([x * rings, y * (1 - rings), 0.7 * rings + 0.3 * noise], axis=-1)
    return np.round(255 * channels).astype(np.uint8)[np.newaxis]


def check_golden(session: ModelSession, manifest: ModelManifest) -> None:
    """Compare the session's answer to the golden image with the manifest. Raises ValueError if they differ."""
    answer = session.run(golden_image())[0]
    expected = np.asarray(manifest.golden.output, np.float32)
    if answer.shape != expected.shape:
        raise ValueError(
            f"the model answers {len(answer)} numbers, not {len(expected)}."
            " Restore model.tflite and model.json of one training."
        )
    cosine = float(answer @ expected / (np.linalg.norm(answer) * np.linalg.norm(expected)))
    if not cosine >= manifest.golden.minimum_cosine:
        raise ValueError(
            f"the model answers the golden image wrongly: cosine {cosine:.4f}, not {manifest.golden.minimum_cosine} or"
            " more. Restore model.tflite and model.json of one training."
        )
