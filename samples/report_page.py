"""A page of a report: uploaded by mistake, it must be refused."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from samples.phantoms.texture import Picture, fbm, generator

LINES: Final = (
    "DEPARTMENT OF IMAGING - REPORT",
    "",
    "Examination: chest CT, no contrast medium",
    "Clinical question: cough for three weeks",
    "",
    "Findings",
    "The lungs are clear. No effusion, no enlarged nodes.",
    "Heart and great vessels are of normal size.",
    "No fracture. The upper abdomen is as expected.",
    "",
    "Conclusion",
    "No sign of pneumonia. No further imaging is needed.",
    "",
    "This page is a sample. It is about nobody.",
)


def report_page(width: int = 400, height: int = 300) -> Picture:
    """Draw black type on slightly uneven paper: uint8 (height, width, 3), RGB."""
    page = np.full((height, width, 3), 248, np.uint8)
    for i, line in enumerate(LINES):
        heading = i == 0 or (line and " " not in line)
        scale, weight = (0.5, 2) if heading else (0.4, 1)
        place = (18, 28 + i * 19)
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (25, 25, 35), weight, cv2.LINE_AA)
    shade = fbm(generator("report", 0), max(page.shape), 120, 2)[:height, :width, None]
    return np.asarray(np.clip(page + 3 * shade, 0, 255), np.uint8)
