"""`python -m benchmarks.verification`: what local verification costs on one core, on generated surfaces.

Prints the median milliseconds of finding the keypoints of one view, and of comparing them with twenty candidates,
unpacking included, beside the median of one network inference of the skin model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from shared.images.views import Image
from shared.keypoints.verification import CANDIDATES, LocalVerifier
from shared.models.manifest import golden_image
from shared.models.sessions import open_session

SIDES = (224, 384)
REPEATS = 15
MODEL = Path(__file__).parent.parent / "skin-service"


def surface(seed: int, side: int) -> Image:
    """uint8 (side, side, 3): blobs of many sizes, enough for as many keypoints as a template holds."""
    rng = np.random.default_rng(seed)
    canvas = np.full((side, side), 128, np.uint8)
    for _ in range(4 * side):
        centre = tuple(int(v) for v in rng.integers(0, side, 2))
        cv2.circle(canvas, centre, int(rng.integers(2, 14)), int(rng.integers(0, 256)), -1)
    return np.repeat(cv2.GaussianBlur(canvas, (0, 0), 1.0)[..., np.newaxis], 3, axis=-1)


def milliseconds(work: Callable[[], object]) -> float:
    """Median over the repeats."""
    spent = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return float(np.median(spent))


def main() -> None:
    """Print one line per size of the view."""
    cv2.setNumThreads(1)
    session = open_session(MODEL)
    network = milliseconds(lambda: session.run(golden_image()))
    for side in SIDES:
        verifier = LocalVerifier(upright=False)
        candidates = [[verifier.template(surface(seed, side))] for seed in range(CANDIDATES)]
        view = surface(0, side)
        found = milliseconds(partial(verifier.probe, [view]))
        probe = verifier.probe([view])
        compared = milliseconds(partial(verifier.agreements, probe, candidates))
        print(  # noqa: T201
            f"view {side}: {len(probe[0])} keypoints found in {found:.1f} ms, compared with {CANDIDATES} candidates"
            f" in {compared:.1f} ms; one inference {network:.1f} ms"
        )


if __name__ == "__main__":
    main()
