"""Draw what software draws on medical images: text, rulers, arrows, callipers, boxes, side markers, viewer frames.

Each family draws on a canvas and returns nothing; the canvas keeps the exact mask. Strokes that are anatomy or lie on
the body (hairs, wires, catheters) are drawn without a mask, as hard negatives.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""
Colour = tuple[int, int, int]

TRAINING_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "STIXGeneral", "cmss10")
VECTOR_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX)
WORDS = (
    *(
        "IM",
        "SE",
        "kV",
        "mA",
        "mAs",
        "WL",
        "WW",
        "W",
        "L",
        "C",
        "Zoom",
        "FOV",
        "TR",
        "TE",
        "SL",
        "mm",
        "cm",
        "PA",
        "AP",
    ),
    *(
        "ERECT",
        "SUPINE",
        "PORTABLE",
        "LEFT",
        "RIGHT",
        "OD",
        "OS",
        "Lossy",
        "SCAN",
        "CHEST",
        "HEAD",
        "HOSP",
        "Dr.",
        "ID",
    ),
    *("DOB", "Acc", "Study", "Series", "Ex", "Thk", "SP", "Tilt", "HU", "Mean", "SD", "Area", "Length", "Angle", "GE"),
)
STROKES: Mapping[str, Colour] = {
    "white": (255, 255, 255),
    "light": (215, 215, 215),
    "yellow": (255, 240, 40),
    "green": (60, 255, 80),
    "cyan": (60, 240, 255),
    "red": (255, 40, 40),
    "orange": (255, 160, 20),
    "blue": (50, 80, 255),
    "black": (0, 0, 0),
    "dark": (45, 45, 45),
}
"""Colours that marks are drawn in."""
VISIBLE = 12
"""Change of grey, 0-255, from which a stroke can be seen."""


@dataclass
class Canvas:
    """An image uint8 (h, w, 3) with what has been drawn on it: `mask` is uint8 (h, w), 255 on marks."""

    image: Image
    mask: NDArray[np.uint8]

    @classmethod
    def of(cls, image: Image) -> Canvas:
        """Return a canvas with a copy of the image and an empty mask."""
        return cls(image.copy(), np.zeros(image.shape[:2], np.uint8))

    @property
    def side(self) -> int:
        """Shorter side in pixels: strokes and letters scale with it."""
        return int(min(self.image.shape[:2]))

    def paint(self, stroke: NDArray[np.uint8], colour: Colour, opacity: float = 1.0, *, marked: bool = True) -> None:
        """Blend a colour in; `stroke` is uint8 (h, w), the coverage of each pixel."""
        rows, columns = np.flatnonzero(stroke.any(axis=1)), np.flatnonzero(stroke.any(axis=0))
        if not len(rows):
            return
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        alpha = stroke[box].astype(np.float32)[..., np.newaxis] * (opacity / 255)
        blended = self.image[box] * (1 - alpha) + np.array(colour, np.float32) * alpha
        self.image[box] = np.round(blended).astype(np.uint8)
        if marked:
            np.maximum(self.mask[box], stroke[box], out=self.mask[box])

    def forget_invisible(self, before: Image) -> None:
        """Take out of the mask what cannot be seen, such as black letters on black."""
        seen = (cv2.absdiff(self.image, before).max(axis=2) > VISIBLE).astype(np.uint8)
        self.mask[cv2.dilate(seen, np.ones((5, 5), np.uint8)) == 0] = 0

    def blank(self) -> NDArray[np.uint8]:
        """Return an empty stroke, uint8 (h, w)."""
        return np.zeros_like(self.mask)


@dataclass(frozen=True)
class Style:
    """How one piece of software draws: fonts, colour, width of strokes, shadow and letters' height."""

    fonts: Sequence[str]
    vector: int | None
    colour: Colour
    width: int
    shadow: bool
    height: float
    box: Colour | None
    opacity: float


def _pen(style: Style, colour: Colour) -> Style:
    """Return a plain style: the same fonts, opaque, without shadow or box."""
    return replace(style, colour=colour, width=1, shadow=False, box=None, opacity=1.0)


Family = Callable[[Canvas, Style, np.random.Generator], None]


def draw_style(rng: np.random.Generator, fonts: Sequence[str] = TRAINING_FONTS) -> Style:
    """Draw a style. White and yellow are the most common colours; some text lies on a filled box."""
    names = list(STROKES)
    shares = np.array([6, 3, 3, 1.5, 1.5, 1, 1, 1, 1.5, 0.7])
    colour = STROKES[str(rng.choice(names, p=shares / shares.sum()))]
    jitter = np.clip(np.array(colour) + rng.integers(-25, 26, 3), 0, 255)
    box = None
    if rng.random() < 0.15:
        box = (0, 0, 0) if sum(colour) > 300 else (255, 255, 255)
    return Style(
        fonts=(str(rng.choice(list(fonts))),),
        vector=int(rng.choice(VECTOR_FONTS)) if rng.random() < 0.3 else None,
        colour=(int(jitter[0]), int(jitter[1]), int(jitter[2])),
        width=int(rng.choice([1, 1, 2, 2, 3])),
        shadow=bool(rng.random() < 0.25),
        height=float(np.exp(rng.uniform(np.log(0.016), np.log(0.06)))),
        box=box,
        opacity=float(rng.choice([1.0, 1.0, 0.85, 0.7])),
    )


def words(rng: np.random.Generator, most: int = 4) -> str:
    """Draw a line as viewers print it: words, numbers, dates, names, upper or mixed case."""
    parts: list[str] = []
    for _ in range(int(rng.integers(1, most + 1))):
        kind = rng.random()
        if kind < 0.35:
            parts.append(str(rng.choice(WORDS)))
        elif kind < 0.6:
            parts.append(str(int(rng.integers(0, 10 ** int(rng.integers(1, 8))))))
        elif kind < 0.7:
            sign = rng.choice(list("./-"))
            parts.append(f"{rng.integers(1, 32):02d}{sign}{rng.integers(1, 13):02d}.{rng.integers(1980, 2027)}")
        elif kind < 0.78:
            parts.append(f"{rng.uniform(0, 200):.{rng.integers(0, 3)}f}{rng.choice(['', 'mm', ' cm', '%', ' kV'])}")
        else:
            letters = rng.choice(
                list(string.ascii_uppercase if rng.random() < 0.5 else string.ascii_lowercase), int(rng.integers(2, 10))
            )
            parts.append("".join(letters).capitalize() if rng.random() < 0.4 else "".join(letters))
    return str(rng.choice([" ", " ", ": ", " / ", "_"])).join(parts)


def font_file(name: str) -> Path:
    """Return the file of one of matplotlib's fonts."""
    return Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file(name)), size)


def letters(text: str, height: int, style: Style) -> NDArray[np.uint8]:
    """Return the coverage of one line of text, uint8 (h, w), cropped to it."""
    height = max(height, 6)
    if style.vector is not None:
        scale = height / 22.0 * (2 if style.vector == cv2.FONT_HERSHEY_PLAIN else 1)
        thickness = max(1, min(style.width, height // 8))
        (width, above), below = cv2.getTextSize(text, style.vector, scale, thickness)
        stroke = np.zeros((above + below + 4, width + 4), np.uint8)
        cv2.putText(stroke, text, (2, above + 2), style.vector, scale, (255,), thickness, cv2.LINE_AA)
    else:
        font = _font(style.fonts[0], round(1.3 * height))
        left, top, right, bottom = font.getbbox(text)
        picture = PillowImage.new("L", (max(1, round(right - left)) + 4, max(1, round(bottom - top)) + 4))
        ImageDraw.Draw(picture).text((2 - left, 2 - top), text, fill=255, font=font)
        stroke = np.asarray(picture, np.uint8)
    rows, columns = np.flatnonzero(stroke.any(axis=1)), np.flatnonzero(stroke.any(axis=0))
    if not len(rows):
        return np.full((1, 1), 255, np.uint8)
    return stroke[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def write(
    canvas: Canvas, text: str, x: int, y: int, style: Style, *, height: int | None = None, right: bool = False
) -> tuple[int, int]:
    """Write a line with its upper left (or `right`) corner at x and y; return its width and height in pixels."""
    line = letters(text, height or round(style.height * canvas.side), style)
    x = x - line.shape[1] if right else x
    stroke = _placed(canvas, line, x, y)
    if style.box is not None:
        border = max(2, line.shape[0] // 4)
        around = canvas.blank()
        cv2.rectangle(
            around, (x - border, y - border), (x + line.shape[1] + border, y + line.shape[0] + border), (255,), -1
        )
        canvas.paint(around, style.box)
    if style.shadow and style.box is None:
        dark = (0, 0, 0) if sum(style.colour) > 300 else (255, 255, 255)
        canvas.paint(_placed(canvas, line, x + 1, y + 1), dark)
    canvas.paint(stroke, style.colour, style.opacity)
    return line.shape[1], line.shape[0]


def _placed(canvas: Canvas, part: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    stroke = canvas.blank()
    height, width = stroke.shape
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + part.shape[0], height), min(x + part.shape[1], width)
    if top < bottom and left < right:
        stroke[top:bottom, left:right] = part[top - y : bottom - y, left - x : right - x]
    return stroke


def _line(
    canvas: Canvas, points: NDArray[np.float64], style: Style, *, closed: bool = False, width: int | None = None
) -> None:
    stroke = canvas.blank()
    fixed = np.round(points * 16).astype(np.int32).reshape(1, -1, 2)
    cv2.polylines(stroke, [fixed], closed, (255,), width or style.width, cv2.LINE_AA, 4)
    canvas.paint(stroke, style.colour, style.opacity)


def corner_text(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Blocks of lines in one to four corners, as viewers and scanners print them."""
    height, width = canvas.mask.shape
    size, margin = round(style.height * canvas.side), int(rng.integers(2, max(3, canvas.side // 25)))
    gap = round(size * rng.uniform(1.2, 1.7))
    for corner in rng.permutation(4)[: int(rng.integers(1, 5))]:
        count = int(rng.integers(1, max(2, min(8, height // (3 * gap)))))
        for row in range(count):
            y = margin + row * gap if corner < 2 else height - margin - (count - row) * gap
            x = margin if corner % 2 == 0 else width - margin
            write(canvas, words(rng), x, y, style, right=bool(corner % 2))


def free_text(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """One to three lines anywhere."""
    height, width = canvas.mask.shape
    for _ in range(int(rng.integers(1, 4))):
        write(canvas, words(rng, 3), int(rng.integers(0, width)), int(rng.integers(0, height)), style)


def edge_letters(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Orientation letters at the middles of the edges."""
    height, width = canvas.mask.shape
    size = round(style.height * canvas.side * rng.uniform(1, 1.6))
    pairs = [("L", "R"), ("A", "P"), ("H", "F"), ("S", "I")]
    sides = [*pairs[int(rng.integers(4))], *pairs[int(rng.integers(4))]]
    places = [(4, height // 2), (width - 4 - size, height // 2), (width // 2, 4), (width // 2, height - 4 - size)]
    for text, (x, y) in list(zip(sides, places, strict=True))[: int(rng.integers(1, 5))]:
        write(canvas, text, x, y, style, height=size)


def ruler(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A scale with ticks along an edge, or across the image, some with numbers."""
    height, width = canvas.mask.shape
    length = canvas.side * rng.uniform(0.25, 1.0)
    count = int(rng.integers(4, 40))
    across = np.array([[0.0, 0.0], [1.0, 0.0]]) if rng.random() < 0.5 else np.array([[0.0, 0.0], [0.0, 1.0]])
    turn = rng.uniform(-0.6, 0.6) if rng.random() < 0.2 else 0.0
    along = across[1] @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    normal = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
    if rng.random() < 0.7:  # at an edge
        inset = rng.uniform(0.01, 0.08) * canvas.side
        start = (
            np.array([inset, rng.uniform(0, max(1, height - length))])
            if along[1] > 0.7
            else np.array([rng.uniform(0, max(1, width - length)), inset])
        )
        if rng.random() < 0.5:
            start = np.array([width - inset, start[1]]) if along[1] > 0.7 else np.array([start[0], height - inset])
    else:
        start = np.array([rng.uniform(0, width * 0.7), rng.uniform(0, height * 0.7)])
    minor, major = canvas.side * rng.uniform(0.008, 0.02), canvas.side * rng.uniform(0.018, 0.05)
    every = int(rng.choice([2, 5, 10, 10]))
    if rng.random() < 0.75:
        _line(canvas, np.stack([start, start + along * length]), style)
    for i in range(count + 1):
        foot = start + along * length * i / count
        reach = major if i % every == 0 else minor
        _line(canvas, np.stack([foot, foot + normal * reach]), style)
        if i % every == 0 and rng.random() < 0.6 and count // every < 12:
            x, y = (foot + normal * (reach + 3)).astype(int)
            write(
                canvas,
                str(i // every if every > 2 else i),
                int(x),
                int(y),
                style,
                height=max(7, round(0.02 * canvas.side)),
            )


def scale_bar(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A bar with end ticks and its length in words."""
    height, width = canvas.mask.shape
    length = canvas.side * rng.uniform(0.08, 0.35)
    x, y = rng.uniform(0.02, 0.95) * (width - length), rng.uniform(0.05, 0.95) * height
    _line(canvas, np.array([[x, y], [x + length, y]]), style, width=int(rng.integers(1, 6)))
    if rng.random() < 0.7:
        tick = canvas.side * rng.uniform(0.005, 0.02)
        for end in (x, x + length):
            _line(canvas, np.array([[end, y - tick], [end, y + tick]]), style)
    if rng.random() < 0.8:
        write(canvas, f"{rng.integers(1, 51)} {rng.choice(['mm', 'cm', 'um'])}", int(x), int(y + 5), style)


def arrow(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """One to four arrows, with open, filled or block heads, some with a label."""
    height, width = canvas.mask.shape
    for _ in range(int(rng.integers(1, 5))):
        tip = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height])
        angle, length = rng.uniform(0, 2 * np.pi), canvas.side * rng.uniform(0.04, 0.2)
        back = np.array([np.cos(angle), np.sin(angle)])
        side = np.array([-back[1], back[0]])
        head = length * rng.uniform(0.25, 0.6)
        wings = [tip + back * head + side * head * rng.uniform(0.3, 0.6) * sign for sign in (1, -1)]
        if rng.random() < 0.6:
            stroke = canvas.blank()
            cv2.fillPoly(stroke, [np.round(np.array([tip, *wings]) * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
            canvas.paint(stroke, style.colour, style.opacity)
        else:
            _line(canvas, np.array([wings[0], tip, wings[1]]), style)
        if rng.random() < 0.8:
            _line(
                canvas, np.stack([tip + back * head * 0.8, tip + back * length]), style, width=int(rng.integers(1, 7))
            )
        if rng.random() < 0.3:
            x, y = (tip + back * (length + 6)).astype(int)
            write(canvas, words(rng, 1), int(x), int(y), style)


def calliper(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """One to three measured distances: two crosses, a dotted or whole line, and the length."""
    height, width = canvas.mask.shape
    for _ in range(int(rng.integers(1, 4))):
        ends = rng.uniform(0.1, 0.9, (2, 2)) * (width, height)
        arm = canvas.side * rng.uniform(0.006, 0.02)
        for x, y in ends:
            if rng.random() < 0.8:
                _line(canvas, np.array([[x - arm, y], [x + arm, y]]), style)
                _line(canvas, np.array([[x, y - arm], [x, y + arm]]), style)
        pieces = int(rng.integers(8, 40)) if rng.random() < 0.6 else 1
        for i in range(pieces):
            from_, to = i / pieces, (i + (0.5 if pieces > 1 else 1)) / pieces
            _line(canvas, np.stack([ends[0] + (ends[1] - ends[0]) * t for t in (from_, to)]), style)
        if rng.random() < 0.7:
            write(canvas, f"{rng.uniform(1, 200):.1f} mm", int(ends[1][0] + 5), int(ends[1][1] + 3), style)


def region(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Outlines of one to three regions: boxes, ellipses or free polygons."""
    height, width = canvas.mask.shape
    for _ in range(int(rng.integers(1, 4))):
        centre = rng.uniform(0.15, 0.85, 2) * (width, height)
        radii = rng.uniform(0.02, 0.25, 2) * canvas.side
        kind = rng.random()
        if kind < 0.4:
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * radii + centre
        else:
            angles = np.linspace(0, 2 * np.pi, 60 if kind < 0.75 else int(rng.integers(4, 12)), endpoint=False)
            reach = 1.0 if kind < 0.75 else rng.uniform(0.6, 1.2, len(angles))[:, np.newaxis]
            corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii * reach + centre
        _line(canvas, corners, style, closed=True)
        if rng.random() < 0.4:
            write(canvas, words(rng, 2), int(centre[0] + radii[0] + 4), int(centre[1]), style)


def crosshair(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Reference lines across the image, some with a gap at their crossing; or a grid."""
    height, width = canvas.mask.shape
    if rng.random() < 0.2:
        step = canvas.side * rng.uniform(0.08, 0.25)
        for x in np.arange(step, width, step):
            _line(canvas, np.array([[x, 0], [x, height]]), style, width=1)
        for y in np.arange(step, height, step):
            _line(canvas, np.array([[0, y], [width, y]]), style, width=1)
        return
    x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
    gap = canvas.side * rng.uniform(0, 0.06) if rng.random() < 0.5 else 0.0
    for a, b in (
        ((0, y), (x - gap, y)),
        ((x + gap, y), (width, y)),
        ((x, 0), (x, y - gap)),
        ((x, y + gap), (x, height)),
    ):
        if rng.random() < 0.9:
            _line(canvas, np.array([a, b]), style)


def side_marker(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A large letter of a side, as lead letters look: some in a ring or box, some with initials or a word below."""
    height, width = canvas.mask.shape
    size = round(canvas.side * rng.uniform(0.04, 0.13))
    right = rng.random() < 0.5
    x = int(rng.uniform(0.02, 0.2) * width) if not right else int(width * (1 - rng.uniform(0.02, 0.2))) - size
    y = int(rng.uniform(0.02, 0.8) * height)
    shade = int(rng.integers(180, 256)) if rng.random() < 0.85 else int(rng.integers(0, 50))
    lead = replace(_pen(style, (shade,) * 3), width=max(2, size // 10))
    text = str(rng.choice(["L", "R", "R", "L", "LT", "RT", "D", "G", "I"]))
    drawn, tall = write(canvas, text, x, y, lead, height=size)
    if rng.random() < 0.3:
        stroke = canvas.blank()
        pad = size // 3
        if rng.random() < 0.5:
            cv2.rectangle(stroke, (x - pad, y - pad), (x + drawn + pad, y + tall + pad), (255,), lead.width)
        else:
            cv2.circle(
                stroke, (x + drawn // 2, y + tall // 2), max(drawn, tall) // 2 + pad, (255,), lead.width, cv2.LINE_AA
            )
        canvas.paint(stroke, lead.colour)
    if rng.random() < 0.5:
        write(canvas, words(rng, 2), x, y + tall + size // 3, lead, height=max(8, size // 3))


def stamp(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A framed stamp or a logo: shapes with words in them."""
    height, width = canvas.mask.shape
    w, h = (round(canvas.side * rng.uniform(0.08, 0.35)), round(canvas.side * rng.uniform(0.05, 0.15)))
    x, y = (int(rng.choice([0, width - w, rng.integers(0, max(1, width - w))])), int(rng.choice([0, height - h])))
    filled = rng.random() < 0.5
    stroke = canvas.blank()
    if rng.random() < 0.6:
        cv2.rectangle(stroke, (x, y), (x + w, y + h), (255,), -1 if filled else style.width)
    else:
        cv2.ellipse(
            stroke,
            (x + w // 2, y + h // 2),
            (w // 2, h // 2),
            0,
            0,
            360,
            (255,),
            -1 if filled else style.width,
            cv2.LINE_AA,
        )
    canvas.paint(stroke, style.colour if not filled else _random_colour(rng))
    ink = _pen(style, (255, 255, 255) if filled else style.colour)
    for row in range(int(rng.integers(1, 3))):
        write(canvas, words(rng, 2), x + 5, y + 5 + row * h // 2, ink, height=max(8, h // 3))
    if rng.random() < 0.3:
        corners = np.array([x + w / 2, y + h / 2]) + rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2)) * h
        shape = canvas.blank()
        cv2.fillPoly(shape, [corners.astype(np.int32)], (255,), cv2.LINE_AA)
        canvas.paint(shape, _random_colour(rng))


def colour_bar(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A bar of greys or colours with ticks and numbers."""
    height, width = canvas.mask.shape
    w, h = max(4, round(canvas.side * rng.uniform(0.012, 0.05))), round(canvas.side * rng.uniform(0.25, 0.8))
    x, y = (
        int(rng.choice([rng.uniform(0.01, 0.1), rng.uniform(0.85, 0.95)]) * width),
        int(rng.uniform(0.05, 0.2) * height),
    )
    ramp = np.linspace(255, 0, h).astype(np.uint8)[:, np.newaxis]
    maps = (None, cv2.COLORMAP_JET, cv2.COLORMAP_HOT, cv2.COLORMAP_VIRIDIS)
    chosen = maps[int(rng.integers(len(maps)))]
    bar = np.repeat(ramp[..., np.newaxis], 3, axis=2) if chosen is None else cv2.applyColorMap(ramp, chosen)
    area = canvas.image[y : y + h, x : x + w]
    area[:] = np.repeat(bar, w, axis=1)[: area.shape[0], : area.shape[1]]
    canvas.mask[y : y + h, x : x + w] = 255
    if rng.random() < 0.6:
        _line(canvas, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], float), style, closed=True)
    for i in range(int(rng.integers(0, 7))):
        write(
            canvas,
            str(int(rng.integers(-200, 400))),
            x + w + 3,
            y + i * h // 6,
            style,
            height=max(7, round(0.02 * canvas.side)),
        )


def trace(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """An electrocardiogram or another curve along the bottom or the top."""
    height, width = canvas.mask.shape
    x = np.arange(0, width, 2)
    beat = width / rng.uniform(3, 12)
    phase = (x % beat) / beat
    wave = (
        np.exp(-(((phase - 0.4) / 0.02) ** 2))
        - 0.25 * np.exp(-(((phase - 0.45) / 0.03) ** 2))
        + 0.2 * np.exp(-(((phase - 0.7) / 0.06) ** 2))
    )
    tall = canvas.side * rng.uniform(0.03, 0.12)
    level = height - tall if rng.random() < 0.7 else 1.5 * tall
    _line(canvas, np.stack([x, level - tall * wave + rng.normal(0, 0.4, len(x))], axis=1), style)


def viewer(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """A viewer's window: the image is shrunk into a frame of bars and panels, all of which is drawn."""
    height, width = canvas.mask.shape
    top, bottom, left, right = (
        rng.uniform(0, 0.14, 4) * (height, height, width, width) * (rng.random(4) < (0.9, 0.5, 0.6, 0.6))
    )
    y0, y1, x0, x1 = int(top), height - int(bottom), int(left), width - int(right)
    inside = Canvas(_shrunk(canvas.image, x1 - x0, y1 - y0), _shrunk(canvas.mask, x1 - x0, y1 - y0))
    shade = int(rng.choice([20, 45, 60, 190, 230, 240])) + int(rng.integers(-10, 11))
    tint = np.clip(shade + rng.integers(-12, 13, 3), 0, 255)
    canvas.image[:], canvas.mask[:] = tint, 255
    ink = STROKES["white"] if shade < 120 else STROKES["black"]
    pen = _pen(style, ink)
    for _ in range(int(rng.integers(4, 24))):  # buttons, thumbnails, captions
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        if rng.random() < 0.5:
            write(canvas, words(rng, 2), x, y, pen, height=max(7, round(0.02 * canvas.side)))
        else:
            size = int(canvas.side * rng.uniform(0.015, 0.06))
            cv2.rectangle(
                canvas.image, (x, y), (x + size, y + size), _random_colour(rng), -1 if rng.random() < 0.5 else 1
            )
    canvas.image[y0:y1, x0:x1], canvas.mask[y0:y1, x0:x1] = inside.image, inside.mask
    if rng.random() < 0.6:
        corner_text(canvas, style, rng)


def _shrunk(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def hairs(canvas: Canvas, _style: Style, rng: np.random.Generator) -> None:
    """Not marks: hairs, wires and catheters, smooth curves with soft edges, dark or bright."""
    height, width = canvas.mask.shape
    bright = rng.random() < 0.5
    thick = float(rng.uniform(1.0, 3.0 if not bright else 6.0))
    for _ in range(int(rng.integers(1, 12 if not bright else 4))):
        ends = rng.uniform(-0.1, 1.1, (3, 2)) * (width, height)
        t = np.linspace(0, 1, 60)[:, np.newaxis]
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
        stroke = canvas.blank()
        places = [np.round(curve * 16).astype(np.int32)]
        cv2.polylines(
            stroke, places, isClosed=False, color=(255,), thickness=max(1, round(thick)), lineType=cv2.LINE_AA, shift=4
        )
        stroke = np.asarray(cv2.GaussianBlur(stroke, (0, 0), rng.uniform(0.5, 1.5)), np.uint8)
        shade = int(rng.integers(170, 256)) if bright else int(rng.integers(0, 70))
        canvas.paint(
            stroke, (shade, max(0, shade - 8), max(0, shade - 15)), float(rng.uniform(0.3, 0.95)), marked=False
        )


def electrodes(canvas: Canvas, _style: Style, rng: np.random.Generator) -> None:
    """Not marks: discs, rings and bubbles with soft edges."""
    height, width = canvas.mask.shape
    for _ in range(int(rng.integers(1, 8))):
        stroke = canvas.blank()
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(
            stroke,
            centre,
            int(canvas.side * rng.uniform(0.005, 0.03)),
            (255,),
            -1 if rng.random() < 0.5 else int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
        stroke = np.asarray(cv2.GaussianBlur(stroke, (0, 0), rng.uniform(0.6, 2.0)), np.uint8)
        canvas.paint(stroke, (int(rng.integers(150, 256)),) * 3, float(rng.uniform(0.3, 0.9)), marked=False)


MARKS: Mapping[Family, float] = {
    corner_text: 5,
    free_text: 2,
    edge_letters: 1.5,
    ruler: 4,
    scale_bar: 1,
    arrow: 1.5,
    calliper: 1.5,
    region: 1.2,
    crosshair: 0.7,
    side_marker: 2.5,
    stamp: 1.2,
    colour_bar: 0.8,
    trace: 0.6,
}
"""Families of marks, each with its relative frequency. `viewer` goes around all of them."""


def draw_marks(image: Image, rng: np.random.Generator) -> Canvas:
    """Return a canvas with one to four families of marks in one or two styles, after hard negatives."""
    canvas = Canvas.of(image)
    for negative in (hairs, electrodes):
        if rng.random() < 0.25:
            negative(canvas, draw_style(rng), rng)
    families, shares = list(MARKS), np.array(list(MARKS.values()))
    before, style = canvas.image.copy(), draw_style(rng)
    for chosen in rng.choice(len(families), int(rng.integers(1, 5)), p=shares / shares.sum()):
        families[int(chosen)](canvas, style, rng)
        if rng.random() < 0.3:
            style = draw_style(rng)
    canvas.forget_invisible(before)
    if rng.random() < 0.12:
        viewer(canvas, style, rng)
    return canvas


def _random_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue
