"""`python -m samples`: draw every phantom of the manifest again. README.md says where the real pictures come from."""

from __future__ import annotations

import cv2
import numpy as np

from samples.phantoms import DRAW, Picture
from samples.rephotograph import rephotograph
from samples.report_page import report_page
from samples.sample_files import Sample, sample_set

SIDE = 288
"""Width and height of a phantom in pixels."""
FIRST_QUALITY, SECOND_QUALITY = 93, 84
"""JPEG qualities of the first and the second acquisition."""


def redraw(phantom: Sample) -> bytes:
    """Return the JPEG file of a phantom. Its source in the manifest ends with the seed: `samples/…/ct.py, seed 114`."""
    if phantom.role == "foreign":
        return _jpeg(report_page(), FIRST_QUALITY)
    first = DRAW[phantom.modality](int(phantom.source.rpartition(" ")[2]), SIDE)
    if phantom.role == "enrol":
        return _jpeg(first, FIRST_QUALITY)
    number = int(phantom.patient_id.rpartition("-")[2])
    return _jpeg(rephotograph(first, number), SECOND_QUALITY)


def _jpeg(image: Picture, quality: int) -> bytes:
    """Encode, in one channel if the picture is grey."""
    is_grey = bool((image[..., :1] == image).all())
    channels = image[..., 0] if is_grey else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(channels), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return data.tobytes()


def main() -> None:
    """Write every phantom's file."""
    for sample in sample_set():
        if sample.kind == "phantom":
            sample.path.parent.mkdir(parents=True, exist_ok=True)
            sample.path.write_bytes(redraw(sample))


if __name__ == "__main__":
    main()
