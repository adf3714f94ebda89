"""Dermoscopic pictures of a pigmented lesion: the light that skin reflects less what melanin and blood absorb.

Structures are those of pattern analysis: irregular border, asymmetry, pigment network, globules, streaks, blotches,
blue-white veil, regression. Over the skin or in the instrument lie hairs, gel bubbles, a ruler and a vignette.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from samples.phantoms import texture as tx
from samples.phantoms.texture import Colour, Field, Picture, Rng
from samples.phantoms.vessels import Branch, Habit, Shoot, curve, grow, stroked

TONES: Final = (
    (233, 198, 190),
    (214, 186, 222),
    (228, 186, 146),
    (242, 226, 212),
    (222, 156, 148),
    (202, 204, 216),
    (190, 142, 112),
    (140, 98, 78),
)
"""Skin under a dermatoscope's light, from fair to dark, rosy to olive, and as cameras tint it."""
MELANIN: Final = (0.55, 1.0, 1.45)
BLOOD: Final = (0.12, 0.95, 0.75)


@dataclass(frozen=True)
class _Lesion:
    """A lesion: `radius` is 1 on its outline, `mask` its soft inside, `angle` the direction from its centre."""

    centre: tuple[float, float]
    extent: float
    radius: Field
    mask: Field
    angle: Field


def draw(seed: int, size: int = 288) -> Picture:
    """Draw the lesion `seed`: uint8 (size, size, 3), RGB."""
    rng = tx.generator("skin", seed)
    n = size * tx.OVERSAMPLING
    skin = _skin(rng, n)
    lesion = _lesion(rng, n)
    skin = _pigmented(rng, skin, lesion)
    skin = _veiled(rng, skin, lesion)
    skin = _lit(rng, skin)
    skin = _overlaid(rng, skin)
    pixels = tx.reduced(skin)
    pixels = tx.sharpened(tx.blurred(pixels, rng.uniform(0.25, 1.0)), rng.uniform(0.1, 0.9))
    return tx.picture(pixels + rng.normal(0, rng.uniform(0.003, 0.014), pixels.shape))


def _skin(rng: Rng, n: int) -> Colour:
    """Bare skin: mottled, finely lined, with a few capillaries and freckles."""
    tone = np.asarray(TONES[rng.integers(len(TONES))], np.float32) / 255
    skin: Colour = np.broadcast_to(tone * rng.uniform(0.82, 1.06), (n, n, 3)).astype(np.float32)
    mottle = rng.uniform(0.4, 2.2)
    blood = mottle * 0.035 * tx.fbm(rng, n, n / 5, 2) * rng.uniform(0.4, 1.2) + mottle * 0.04 * tx.fbm(
        rng, n, n / rng.uniform(10, 40), 5, 0.8
    )
    melanin = 0.022 * tx.fbm(rng, n, n / 9, 3) * rng.uniform(0.4, 1.6) + 0.022 * tx.fbm(rng, n, n / 40, 5, 0.85)
    skin = tx.absorbed(tx.absorbed(skin, blood, BLOOD), melanin + 0.018 * _lines(rng, n), MELANIN)
    skin = tx.absorbed(skin, rng.uniform(0.0, 0.35) * _capillaries(rng, n), BLOOD)
    if rng.random() < 0.35:
        spots = tx.smooth((tx.fbm(rng, n, n / 16, 5, 0.7) - 0.9) / 1.6)
        skin = tx.absorbed(skin, rng.uniform(0.1, 0.35) * spots, MELANIN)
    return skin


def _lines(rng: Rng, n: int) -> Field:
    """The fine criss-cross of skin: cells with furrows as rims."""
    first, second = tx.cells(rng, n, n / rng.uniform(38, 60))
    turn = 6 * tx.fbm(rng, n, n / 6, 2)
    rims = np.exp(-(((second - first) / (n / 260)) ** 2))
    return tx.warped(tx.blurred(rims, 1.5), turn, turn[::-1]) + 0.8 * tx.fbm(rng, n, n / 90, 3, 0.8)


def _capillaries(rng: Rng, n: int) -> Field:
    habit = Habit(step=0.012, tortuosity=0.3, interval=0.12, thinnest=0.002)
    branches: list[Branch] = []
    for _ in range(rng.integers(2, 9)):
        x, y, heading = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0, 2 * math.pi)
        branches += grow(rng, habit, Shoot((x, y), heading, rng.uniform(0.003, 0.006), rng.uniform(0.1, 0.35)))
    return tx.blurred(stroked(n, branches, n), n / 180)


def _lesion(rng: Rng, n: int) -> _Lesion:
    """One to three overlapping lobes; the outline wobbles, frays and is sharp or blurred."""
    x, y = tx.coordinates(n)
    extent = rng.choice((rng.uniform(0.16, 0.3), rng.uniform(0.3, 0.56), rng.uniform(0.56, 0.9)), p=(0.3, 0.5, 0.2))
    centre = (float(rng.normal(0, 0.12)), float(rng.normal(0, 0.12)))
    angle = np.arctan2(y - centre[1], x - centre[0])
    radius = _lobe(rng, x, y, centre, extent)
    for _ in range(rng.choice((0, 1, 2), p=(0.5, 0.35, 0.15))):
        direction, share = rng.uniform(0, 2 * math.pi), rng.uniform(0.45, 0.8)
        away = extent * rng.uniform(0.5, 0.9)
        lobe_centre = (centre[0] + away * math.cos(direction), centre[1] + away * math.sin(direction))
        other = _lobe(rng, x, y, lobe_centre, extent * share)
        radius = -np.logaddexp(-6 * radius, -6 * other) / 6
    radius = radius + rng.uniform(0.02, 0.10) * tx.fbm(rng, n, n / 7, 5, 0.6)
    return _Lesion(centre, extent, radius, tx.inside(radius, rng.uniform(0.08, 0.8)), np.asarray(angle, np.float32))


def _lobe(rng: Rng, x: Field, y: Field, centre: tuple[float, float], extent: float) -> Field:
    radii = (extent, extent * rng.uniform(0.6, 1.0))
    radius = tx.ellipse(x, y, centre, radii, rng.uniform(0, math.pi))
    angle = np.asarray(np.arctan2(y - centre[1], x - centre[0]), np.float32)
    return radius * (1 + tx.wobble(rng, angle, rng.uniform(0.03, 0.13)))


def _pigmented(rng: Rng, skin: Colour, lesion: _Lesion) -> Colour:
    """Melanin (and some blood) of the lesion, in one to three structures."""
    n = skin.shape[0]
    amount = 0.3 + 2.0 * rng.random() ** 1.5
    rim = np.clip(lesion.radius, 0, 1.5)
    melanin = lesion.mask * (0.62 + rng.uniform(-0.35, 0.25) * rim + 0.16 * tx.fbm(rng, n, n / 5, 5, 0.7))
    melanin += lesion.mask * rng.uniform(0.05, 0.14) * tx.fbm(rng, n, n / 30, 5, 0.85)
    kinds = rng.permutation(["network", "globules", "blotch", "streaks"])[: rng.integers(1, 4)]
    for kind in kinds:
        melanin += _STRUCTURES[kind](rng, n, lesion)
    if rng.random() < 0.4:  # a side of the lesion that fades: asymmetry of colour
        side = np.cos(lesion.angle - rng.uniform(0, 2 * math.pi)) * rim
        melanin *= 1 - 0.45 * tx.smooth(side * 0.8 + 0.3) * rng.uniform(0.4, 1)
    skin = tx.absorbed(skin, rng.uniform(0.0, 0.55) * lesion.mask * (1 + 0.3 * tx.fbm(rng, n, n / 6)), BLOOD)
    return tx.absorbed(skin, amount * np.clip(melanin, 0, None), MELANIN)


def _network(rng: Rng, n: int, lesion: _Lesion) -> Field:
    """A brown honeycomb, strongest towards the edge, that fades out beyond it."""
    first, second = tx.cells(rng, n, n / rng.uniform(30, 48), 0.9)
    bend = 5 * tx.fbm(rng, n, n / 22, 4, 0.7)
    cords = tx.warped(np.exp(-(((second - first) / (n / rng.uniform(100, 150))) ** 2)), bend, -bend[::-1])
    where = tx.inside(lesion.radius / 1.12, 0.35) * tx.smooth(
        0.45 + 0.5 * tx.fbm(rng, n, n / 4, 2) + 0.35 * lesion.radius
    )
    return rng.uniform(0.35, 0.75) * tx.blurred(cords, n / 330) * (1 + 0.4 * tx.fbm(rng, n, n / 20, 3)) * where


def _globules(rng: Rng, n: int, lesion: _Lesion) -> Field:
    """Round dark clods, in a ring or all over."""
    canvas = np.zeros((n, n), np.float32)
    ring = rng.random() < 0.5
    for _ in range(rng.integers(25, 110)):
        away = lesion.extent * (rng.uniform(0.65, 1.0) if ring else math.sqrt(rng.uniform(0, 0.95)))
        turn = rng.uniform(0, 2 * math.pi)
        x = (lesion.centre[0] + away * math.cos(turn) + 1) * n / 2
        y = (lesion.centre[1] + away * math.sin(turn) + 1) * n / 2
        radius = n * rng.uniform(0.005, 0.014)
        cv2.circle(
            canvas, (round(x * 16), round(y * 16)), round(radius * 16), rng.uniform(0.5, 1.0), -1, cv2.LINE_AA, 4
        )
    return rng.uniform(0.3, 0.7) * tx.blurred(canvas, n / 260) * tx.inside(lesion.radius, 0.15)


def _blotch(rng: Rng, n: int, lesion: _Lesion) -> Field:
    """A dark structureless area off the centre."""
    x, y = tx.coordinates(n)
    turn, away = rng.uniform(0, 2 * math.pi), lesion.extent * rng.uniform(0.1, 0.5)
    centre = (lesion.centre[0] + away * math.cos(turn), lesion.centre[1] + away * math.sin(turn))
    radius = tx.ellipse(
        x, y, centre, (lesion.extent * rng.uniform(0.25, 0.5), lesion.extent * rng.uniform(0.2, 0.4)), turn
    )
    return rng.uniform(0.3, 0.8) * tx.inside(radius + 0.25 * tx.fbm(rng, n, n / 9, 4), 0.6) * lesion.mask


def _streaks(rng: Rng, n: int, lesion: _Lesion) -> Field:
    """Fingers that leave the edge along the radius."""
    bent = np.asarray(lesion.angle + 0.06 * tx.fbm(rng, n, n / 12, 3), np.float32)
    fingers = tx.wobble(rng, bent, 1.0, harmonics=70, decay=0.15)
    fringe = np.exp(-(((lesion.radius - 0.97) / 0.13) ** 2))
    where = fringe * tx.smooth(0.5 + tx.fbm(rng, n, n / 3, 2))
    return np.asarray(rng.uniform(0.25, 0.55) * tx.smooth(0.3 + fingers * 0.45) * where, np.float32)


_STRUCTURES: Final = {"network": _network, "globules": _globules, "blotch": _blotch, "streaks": _streaks}


def _veiled(rng: Rng, skin: Colour, lesion: _Lesion) -> Colour:
    """Add a blue-white veil or pale regression over a part of some lesions."""
    n = skin.shape[0]
    patch = tx.smooth((tx.fbm(rng, n, n / 4, 5, 0.65) - 0.1) / 2.2) * tx.inside(lesion.radius * 1.15, 0.7)
    if rng.random() < 0.2:
        return tx.mixed(skin, np.asarray((0.50, 0.50, 0.60)), patch * rng.uniform(0.4, 0.75))
    if rng.random() < 0.25:
        return tx.mixed(skin, np.asarray((0.90, 0.80, 0.80)), patch * rng.uniform(0.3, 0.7))
    return skin


def _lit(rng: Rng, skin: Colour) -> Colour:
    """Uneven light, and in some instruments the dark corners of the tube."""
    n = skin.shape[0]
    x, y = tx.coordinates(n)
    turn = rng.uniform(0, 2 * math.pi)
    slope = x * math.cos(turn) + y * math.sin(turn)
    light = 1 + rng.uniform(0, 0.08) * slope - rng.uniform(0.03, 0.16) * (x**2 + y**2) / 2
    skin = skin * light[..., None]
    if rng.random() < 0.35:
        tube = tx.ellipse(
            x, y, (rng.normal(0, 0.03), rng.normal(0, 0.03)), (rng.uniform(1.0, 1.15), rng.uniform(1.08, 1.3))
        )
        skin = tx.mixed(skin, np.asarray((0.03, 0.02, 0.03)), 1 - tx.inside(tube, rng.uniform(0.08, 0.25)))
    return skin


def _overlaid(rng: Rng, skin: Colour) -> Colour:
    """Hairs, gel bubbles and ruler marks."""
    n = skin.shape[0]
    if rng.random() < 0.55:
        dark = stroked(n, _hairs(rng), n)
        tint = np.asarray((0.16, 0.10, 0.08)) * rng.uniform(0.5, 2.2)
        skin = tx.mixed(skin, tint, tx.blurred(dark, 0.8) * rng.uniform(0.55, 0.95))
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 7)):
            skin = _bubble(rng, skin)
    if rng.random() < 0.2:
        skin = tx.mixed(skin, np.asarray((0.08, 0.08, 0.1)), 0.85 * stroked(n, _ruler(rng), n))
    return skin


def _hairs(rng: Rng) -> list[Branch]:
    lie, count = rng.uniform(0, math.pi), rng.integers(3, 22)
    long = rng.random() < 0.6
    hairs = []
    for _ in range(count):
        turn = lie + rng.normal(0, 0.35)
        length = rng.uniform(0.4, 1.3) if long else rng.uniform(0.04, 0.14)
        x, y = rng.uniform(-0.1, 1.1, 2)
        points = curve(rng, (x, y), (x + length * math.cos(turn), y + length * math.sin(turn)), 0.12)
        hairs.append(Branch(points, rng.uniform(0.002, 0.0045) * np.linspace(1, 0.5, len(points))))
    return hairs


def _bubble(rng: Rng, skin: Colour) -> Colour:
    x, y = tx.coordinates(skin.shape[0])
    radius = tx.ellipse(
        x, y, tuple(rng.uniform(-0.95, 0.95, 2)), (size := rng.uniform(0.012, 0.06), size * rng.uniform(0.85, 1.1))
    )
    rim = np.exp(-(((radius - 1) / 0.16) ** 2)) * (0.6 + 0.4 * np.cos(np.arctan2(y, x) + rng.uniform(0, 6)))
    return tx.mixed(tx.mixed(skin, 1.0, 0.35 * rim), 0.25, 0.12 * tx.inside(radius * 1.2, 0.5))


def _ruler(rng: Rng) -> list[Branch]:
    """Millimetre ticks across one corner."""
    turn, spacing = rng.choice((0.0, math.pi / 2, 0.8, 2.3)) + rng.normal(0, 0.05), rng.uniform(0.045, 0.07)
    along, across = np.asarray([math.cos(turn), math.sin(turn)]), np.asarray([-math.sin(turn), math.cos(turn)])
    corner = np.asarray(((0.06, 0.06), (0.9, 0.08), (0.08, 0.9))[rng.integers(3)])
    ticks = []
    for i in range(-12, 13):
        start = corner + along * i * spacing
        length = 0.05 if i % 5 == 0 else 0.028
        ticks.append(Branch(np.linspace(start, start + across * length, 3), np.full(3, 0.006)))
    return ticks
