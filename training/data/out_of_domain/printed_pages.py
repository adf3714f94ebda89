"""Generated documents: report pages, forms, charts, screens, bar codes, curves on paper, icons."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.out_of_domain.canvas import SIDE, Image, colour, painted, point, stretched

WORDS = ("Findings", "Impression", "Exam", "History", "Report", "no acute", "stable", "follow-up", "normal", "1.2 cm")
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)


def page(rng: np.random.Generator) -> Image:
    """A page of text, sometimes with frames, on paper or inverted."""
    canvas = _paper(rng)
    ink = tuple(int(v) for v in rng.integers(0, 90, 3))
    _write(canvas, rng, ink)
    for _ in range(int(rng.integers(0, 4))):
        cv2.rectangle(canvas, point(rng), point(rng), ink, 1)
    return canvas if rng.random() < 0.8 else 255 - canvas


def form(rng: np.random.Generator) -> Image:
    """A table with an entry in most of its cells."""
    canvas = _paper(rng)
    row, column = int(rng.integers(12, 40)), int(rng.integers(30, 110))
    for y in range(int(rng.integers(4, 30)), SIDE, row):
        cv2.line(canvas, (0, y), (SIDE, y), (90, 90, 90), 1)
        for x in range(4, SIDE, column):
            cv2.putText(canvas, str(rng.choice(WORDS)), (x, y - 4), int(rng.choice(FONTS)), row / 60, (30, 30, 30), 1)
    for x in range(2, SIDE, column):
        cv2.line(canvas, (x, 0), (x, SIDE), (90, 90, 90), 1)
    return canvas


def chart(rng: np.random.Generator) -> Image:
    """Axes with bars, points, lines or a pie."""
    canvas = np.full((SIDE, SIDE, 3), 255, np.uint8)
    left, bottom, count = int(rng.integers(15, 50)), SIDE - int(rng.integers(15, 50)), int(rng.integers(4, 20))
    x = np.linspace(left, SIDE - 10, count).astype(int)
    kind = int(rng.integers(4))
    if kind == 3:
        for start, end in zip(*[np.sort(rng.uniform(0, 360, count))] * 2, strict=True):
            cv2.ellipse(canvas, (SIDE // 2, SIDE // 2), (90, 90), 0, start, end + 360 / count, colour(rng), -1)
        return canvas
    cv2.polylines(canvas, [np.array([[left, 10], [left, bottom], [SIDE - 5, bottom]])], False, (0, 0, 0), 1)  # noqa: FBT003
    for _ in range(int(rng.integers(1, 5))):
        ink, y = colour(rng), rng.integers(10, bottom, count)
        if kind == 0:
            for a, b in zip(x, y, strict=True):
                cv2.rectangle(canvas, (int(a), int(b)), (int(a) + 120 // count, bottom), ink, -1)
        elif kind == 1:
            cv2.polylines(canvas, [np.column_stack([x, y]).astype(np.int32)], False, ink, 2, cv2.LINE_AA)  # noqa: FBT003
        else:
            for _ in range(40):
                cv2.circle(canvas, point(rng), int(rng.integers(1, 5)), ink, -1, cv2.LINE_AA)
    return canvas if rng.random() < 0.8 else 255 - canvas


def screen(rng: np.random.Generator) -> Image:
    """Windows and buttons in flat colours, some with text."""
    canvas = np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(int(rng.integers(4, 25))):
        (left, top), (width, height) = point(rng), rng.integers(8, SIDE, 2)
        cv2.rectangle(canvas, (left, top), (int(left + width), int(top + height // 2)), colour(rng), -1)
    if rng.random() < 0.7:
        _write(canvas, rng, colour(rng))
    return canvas


def bar_code(rng: np.random.Generator) -> Image:
    """Bars or the squares of a matrix code on a label."""
    canvas = _paper(rng)
    cells = int(rng.integers(17, 45))
    code = rng.integers(0, 2, (cells, cells) if rng.random() < 0.5 else (1, 2 * cells)).astype(np.uint8) * 255
    height, width = (int(v) for v in rng.integers(90, 230, 2))
    top, left = int(rng.integers(0, SIDE - height)), int(rng.integers(0, SIDE - width))
    drawn = cv2.resize(code, (width, height), interpolation=cv2.INTER_NEAREST)
    canvas[top : top + height, left : left + width] = drawn[..., np.newaxis]
    return canvas


def traces(rng: np.random.Generator) -> Image:
    """Curves on squared paper or a dark screen: an electrocardiogram, a monitor, an oscilloscope."""
    dark = rng.random() < 0.5
    canvas = np.full((SIDE, SIDE, 3), rng.integers(0, 40, 3) if dark else rng.integers(215, 256, 3), np.uint8)
    grid = tuple(int(v) for v in (rng.integers(20, 70, 3) if dark else rng.integers(150, 230, 3)))
    for at in range(0, SIDE, int(rng.integers(6, 30))):
        cv2.line(canvas, (at, 0), (at, SIDE), grid, 1)
        cv2.line(canvas, (0, at), (SIDE, at), grid, 1)
    ink, x = colour(rng) if dark else (20, 20, 20), np.arange(SIDE)
    for base in range(20, SIDE, int(rng.integers(30, 90))):
        beat = (x * rng.uniform(0.02, 0.06) + rng.random()) % 1.0
        y = base - rng.uniform(10, 60) * np.exp(-(((beat - 0.5) / 0.06) ** 2)) - 6 * np.sin(2 * np.pi * beat)
        cv2.polylines(canvas, [np.column_stack([x, y]).astype(np.int32)], False, ink, 1, cv2.LINE_AA)  # noqa: FBT003
    return canvas


def spectrogram(rng: np.random.Generator) -> Image:
    """Frequencies over time in false colours."""
    envelope = np.exp(-np.linspace(0, rng.uniform(2, 6), SIDE))[:, np.newaxis]
    bands = np.abs(np.sin(np.linspace(0, rng.uniform(5, 60), SIDE)))[:, np.newaxis]
    loudness = np.abs(np.convolve(rng.standard_normal(SIDE + 8), np.ones(9) / 9, "valid"))
    return painted(stretched(envelope * (0.3 + bands) * loudness * rng.rayleigh(1.0, (SIDE, SIDE))), rng)


def icon(rng: np.random.Generator) -> Image:
    """A few flat shapes on one ground: logos, flags, diagrams."""
    canvas = np.full((SIDE, SIDE, 3), colour(rng), np.uint8)
    for _ in range(int(rng.integers(1, 9))):
        kind, ink, thickness = int(rng.integers(3)), colour(rng), int(rng.choice([-1, -1, 3, 8]))
        if kind == 0:
            cv2.circle(canvas, point(rng), int(rng.integers(10, 110)), ink, thickness, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(canvas, point(rng), point(rng), ink, thickness)
        else:
            cv2.fillPoly(canvas, [rng.integers(0, SIDE, (int(rng.integers(3, 8)), 2)).astype(np.int32)], ink)
    return canvas


def _paper(rng: np.random.Generator) -> Image:
    tint = rng.uniform(200, 256) - rng.uniform(0, 25, 3)
    return np.full((SIDE, SIDE, 3), tint, np.uint8)


def _write(canvas: Image, rng: np.random.Generator, ink: tuple[int, ...]) -> None:
    line, y, font = int(rng.integers(8, 24)), int(rng.integers(10, 40)), int(rng.choice(FONTS))
    while y < SIDE - 8:
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 6))))
        cv2.putText(canvas, text, (int(rng.integers(4, 40)), y), font, line / 34, ink, 1, cv2.LINE_AA)
        y += line + int(rng.integers(0, 2) * line)


FAMILIES = (
    page,
    form,
    chart,
    screen,
    bar_code,
    traces,
    spectrogram,
    icon,
)
"""All families of this module. The order is part of the training."""
