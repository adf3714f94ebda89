"""Layouts of marks that only the evaluation draws: other fonts and other drawing code than the training of the mask.

One layout is drawn on images of several people, each with words of its own, as one viewer or department does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from training.data.drawn_marks import Image, font_file

Layout = Callable[[Image, np.random.Generator], Image]
"""Draw on uint8 (h, w, 3); the generator chooses the words, not the places."""


def _font(name: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file(name)), max(8, round(size)))


def _name(rng: np.random.Generator) -> str:
    syllables = ("ma", "ri", "lo", "ken", "sch", "au", "ber", "ti", "na", "vel", "os", "dra", "fi", "gu")
    parts = ["".join(rng.choice(syllables, int(rng.integers(2, 4)))).upper() for _ in range(2)]
    return "^".join(parts)


def _number(rng: np.random.Generator, digits: int) -> str:
    return "".join(str(d) for d in rng.integers(0, 10, digits))


def four_corners(image: Image, rng: np.random.Generator) -> Image:
    """Text in all corners, as a viewer shows it."""
    picture = PillowImage.fromarray(image)
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    side = min(width, height)
    font, gap, edge = _font("DejaVuSerif", side / 34), side / 26, side / 60
    left = [
        _name(rng),
        f"MRN {_number(rng, 8)}",
        f"{rng.integers(1930, 2015)}.{rng.integers(1, 13):02d}.{rng.integers(1, 29):02d} F",
    ]
    right = [
        f"Clinic {_number(rng, 3)}",
        f"{rng.integers(2015, 2027)}/{rng.integers(1, 13):02d}/{rng.integers(1, 29):02d}",
        f"Acq {_number(rng, 5)}",
    ]
    low = [
        f"Img {rng.integers(1, 400)}/{rng.integers(400, 600)}",
        f"Z {rng.uniform(0.5, 4):.2f}x",
        f"Win {rng.integers(100, 2000)}",
    ]
    for row in range(3):
        pen.text((edge, edge + row * gap), left[row], fill=(250, 250, 250), font=font)
        pen.text((width - edge, edge + row * gap), right[row], fill=(250, 250, 250), font=font, anchor="ra")
        pen.text((edge, height - edge - (3 - row) * gap), low[row], fill=(250, 250, 250), font=font)
    pen.text((width - edge, height - edge - gap), "R <-> L", fill=(250, 250, 250), font=font, anchor="ra")
    return np.asarray(picture)


def ruler(image: Image, rng: np.random.Generator) -> Image:
    """A centimetre scale along the lower and the left edge."""
    picture = PillowImage.fromarray(image)
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    side = min(width, height)
    step, font = side / 40, _font("cmtt10", side / 40)
    for axis, length in ((0, width), (1, height)):
        for i in range(1, int(length / step)):
            reach = side * (0.045 if i % 10 == 0 else 0.03 if i % 5 == 0 else 0.018)
            at = i * step
            ends = [(at, height - 2 - reach), (at, height - 2)] if axis == 0 else [(2, at), (2 + reach, at)]
            pen.line(ends, fill=(235, 235, 235), width=max(1, round(side / 300)))
            if i % 10 == 0:
                place = (at, height - 4 - reach - side / 32) if axis == 0 else (6 + reach, at)
                pen.text(place, str(i // 10), fill=(235, 235, 235), font=font)
    pen.text(
        (width * 0.62, height - side * 0.12), f"{_number(rng, 2)}.{_number(rng, 1)} mm", fill=(235, 235, 235), font=font
    )
    return np.asarray(picture)


def viewer(image: Image, rng: np.random.Generator) -> Image:
    """A screenshot: a dark window with a title, a tool bar and a list of series around the image."""
    height, width = image.shape[:2]
    window = PillowImage.new("RGB", (round(width * 1.28), round(height * 1.16)), (38, 42, 50))
    pen, side = ImageDraw.Draw(window), min(width, height)
    font = _font("DejaVuSerif-Bold", side / 36)
    pen.rectangle((0, 0, window.width, side * 0.06), fill=(24, 90, 150))
    pen.text((side * 0.02, side * 0.012), f"{_name(rng)}  {_number(rng, 6)}", fill=(255, 255, 255), font=font)
    for i in range(9):
        box = (side * (0.02 + 0.075 * i), side * 0.07, side * (0.075 + 0.075 * i), side * 0.125)
        pen.rectangle(box, outline=(150, 160, 170), width=2)
        pen.ellipse(
            [v + (side * 0.012 if j < 2 else -side * 0.012) for j, v in enumerate(box)],
            outline=(210, 210, 210),
            width=2,
        )
    for i in range(5):
        top = side * (0.15 + 0.19 * i)
        pen.rectangle((width * 1.02, top, width * 1.26, top + side * 0.16), outline=(120, 130, 140), width=2)
        pen.text((width * 1.03, top + side * 0.01), f"S{i + 1} {_number(rng, 3)}", fill=(220, 220, 220), font=font)
    window.paste(PillowImage.fromarray(image), (0, round(height * 0.14)))
    return np.asarray(window)


def marker_and_stamp(image: Image, rng: np.random.Generator) -> Image:
    """A lead side marker with initials, and a framed stamp of the department."""
    picture = PillowImage.fromarray(image)
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    side = min(width, height)
    x, y = width * 0.06, height * 0.16
    pen.text((x, y), "R", fill=(245, 245, 245), font=_font("STIXGeneralBol", side / 9))
    pen.text(
        (x, y + side / 8.5),
        "".join(rng.choice(list("ABCDEFGHKLMNPRST"), 2)),
        fill=(245, 245, 245),
        font=_font("cmr10", side / 26),
    )
    box = (width * 0.68, height * 0.9, width * 0.985, height * 0.985)
    pen.rectangle(box, outline=(240, 240, 240), width=max(1, round(side / 200)))
    pen.text(
        (box[0] + side * 0.01, box[1] + side * 0.008),
        "St. Elsewhere Hosp.",
        fill=(240, 240, 240),
        font=_font("cmr10", side / 40),
    )
    pen.text(
        (box[0] + side * 0.01, box[1] + side * 0.045),
        f"Room {_number(rng, 2)}  {_number(rng, 5)}",
        fill=(240, 240, 240),
        font=_font("cmr10", side / 40),
    )
    return np.asarray(picture)


LAYOUTS: Mapping[str, Layout] = {
    function.__name__: function for function in (four_corners, ruler, viewer, marker_and_stamp)
}
"""All layouts by name."""
