"""Templates and claims for tests of galleries."""

from __future__ import annotations

import numpy as np

from shared.gallery.interface import Embedding, IdempotencyClaim, Template

DIGEST, OTHER_DIGEST = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def unit(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return vector / np.linalg.norm(vector)


def template(seed: int, modality: str = "ct", digest: str = DIGEST, local: bytes | None = None) -> Template:
    return Template(modality, digest, unit(seed), 0.5, local)


def claim(key: str, fingerprint: bytes = b"1", caller: str = "caller") -> IdempotencyClaim:
    return IdempotencyClaim(caller, key, fingerprint)
