"""Photographs of the back of the eye: disc with cup, macula, arteries and veins in arcades, choroid, camera.

Lengths are in radii of the field of view; the eye is drawn with its disc on the left and then mirrored or not. The
fovea lies two and a half diameters of the disc beside it, as in anatomy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from samples.phantoms import texture as tx
from samples.phantoms.texture import Colour, Field, Picture, Rng
from samples.phantoms.vessels import Branch, Habit, Shoot, Territory, grow, stroked

FUNDI: Final = (
    (196, 108, 52),
    (120, 48, 20),
    (216, 160, 84),
    (200, 126, 108),
    (206, 68, 26),
    (150, 108, 60),
    (142, 122, 100),
    (228, 184, 150),
    (98, 66, 44),
)
"""Colours of a fundus as cameras give them: orange, red-brown, yellow, pink, pale, dim."""
PIGMENT: Final = (0.75, 1.0, 1.1)
ARTERY: Final = (0.16, 0.80, 0.62)
VEIN: Final = (0.36, 0.92, 0.70)
_FOV: Final = 0.97
"""Radius of the lit circle as a share of half the picture."""


@dataclass(frozen=True)
class _Eye:
    """Coordinates and positions of the landmarks, in radii."""

    x: Field
    y: Field
    disc: tuple[float, float]
    disc_radius: float
    fovea: tuple[float, float]

    @property
    def scale(self) -> float:
        """Pixels in a radius."""
        return len(self.x) / 2 * _FOV

    def strokes(self, branches: Iterable[Branch]) -> Field:
        """Coverage of branches given in radii."""
        return stroked(len(self.x), branches, self.scale, (len(self.x) / 2, len(self.x) / 2))


def draw(seed: int, size: int = 288) -> Picture:
    """Draw the eye `seed`: uint8 (size, size, 3), RGB."""
    rng = tx.generator("fundus", seed)
    n = size * tx.OVERSAMPLING
    eye = _eye(rng, n)
    retina = _background(rng, eye)
    retina = _with_disc(rng, retina, eye)
    retina = _with_findings(rng, retina, eye)
    retina = _with_vessels(rng, retina, eye)
    retina = _photographed(rng, retina, eye)
    if rng.random() < 0.5:
        retina = np.ascontiguousarray(retina[:, ::-1])
    retina = _masked(rng, retina)
    pixels = tx.sharpened(tx.blurred(tx.reduced(retina), rng.uniform(0.2, 1.1)), rng.uniform(0.1, 0.9))
    dark = np.clip(pixels.max(axis=2, keepdims=True) * 5, 0.15, 1)
    return tx.picture(pixels + dark * rng.normal(0, rng.uniform(0.004, 0.010), pixels.shape))


def _eye(rng: Rng, n: int) -> _Eye:
    x, y = tx.coordinates(n)
    radius = rng.uniform(0.10, 0.20)
    disc = (rng.uniform(-0.72, -0.05), rng.normal(0, 0.09))
    fovea = (disc[0] + radius * rng.uniform(4.6, 5.6), disc[1] + radius * rng.uniform(0.1, 0.9))
    return _Eye(x / np.float32(_FOV), y / np.float32(_FOV), disc, radius, fovea)


def _background(rng: Rng, eye: _Eye) -> Colour:
    """Pigment epithelium over a choroid that shines through more in some eyes; the macula is darker."""
    n = len(eye.x)
    tone = np.asarray(FUNDI[rng.integers(len(FUNDI))], np.float32) / 255
    tone = tone * rng.uniform(0.8, 1.1) * rng.normal(1, 0.03, 3).astype(np.float32)
    retina: Colour = np.broadcast_to(tone, (n, n, 3)).astype(np.float32)
    pigment = 0.07 * tx.fbm(rng, n, n / 3, 3) + 0.022 * tx.fbm(rng, n, n / 60, 4, 0.9)
    retina = tx.absorbed(retina, pigment, PIGMENT)
    retina = tx.absorbed(
        retina, rng.choice((0.02, 0.12, 0.42), p=(0.4, 0.3, 0.3)) * _choroid(rng, eye), (0.3, 1.0, 0.9)
    )
    macula = tx.ellipse(eye.x, eye.y, eye.fovea, (r := rng.uniform(0.16, 0.26), r * rng.uniform(0.8, 1.0)))
    dark = rng.uniform(0.18, 0.42) * np.exp(-(macula**2)) + rng.uniform(0.05, 0.25) * np.exp(-((macula * 3.2) ** 2))
    retina = tx.absorbed(retina, dark, (0.7, 1.1, 1.0))
    reflex = tx.ellipse(eye.x, eye.y, eye.fovea, (0.012, 0.012))
    return tx.mixed(retina, np.asarray((0.9, 0.75, 0.55)), rng.uniform(0, 0.35) * np.exp(-(reflex**2)))


def _choroid(rng: Rng, eye: _Eye) -> Field:
    """Broad winding choroidal vessels that run away from the disc, weakest at the macula."""
    n = len(eye.x)
    u, v = eye.x - eye.disc[0], eye.y - eye.disc[1]
    stretched = tx.warped(tx.labyrinth(rng, n, n / 11), -0.45 * u * n / 2, -0.45 * v * n / 2)
    bend = n / 60 * tx.fbm(rng, n, n / 8, 2)
    ridges = tx.warped(np.exp(-((stretched / 0.8) ** 2)), bend, -bend[::-1])
    macula = np.hypot(eye.x - eye.fovea[0], eye.y - eye.fovea[1])
    return tx.blurred(ridges, n / 260) * tx.smooth(macula * 1.6 - 0.3) * tx.smooth(0.6 + 0.4 * tx.fbm(rng, n, n / 3, 2))


def _with_disc(rng: Rng, retina: Colour, eye: _Eye) -> Colour:
    """Rim, cup, and around them a pale or pigmented crescent and the sheen of nerve fibres."""
    n = len(eye.x)
    shape = tx.ellipse(eye.x, eye.y, eye.disc, (eye.disc_radius * rng.uniform(0.85, 0.98), eye.disc_radius))
    turn = np.asarray(np.arctan2(eye.y - eye.disc[1], eye.x - eye.disc[0]), np.float32)
    shape = shape * (1 + tx.wobble(rng, turn, 0.015)) + 0.015 * tx.fbm(rng, n, n / 30, 3)
    fibres = tx.wobble(rng, np.asarray(turn + 0.1 * shape, np.float32), 1.0, harmonics=60, decay=0.1)
    sheen = np.exp(-(((shape - 1) / 1.6) ** 2)) * np.abs(np.sin(turn)) ** 1.5 * (1 + 0.35 * fibres)
    retina = tx.mixed(retina, retina * np.float32(1.15) + np.float32(0.06), rng.uniform(0, 0.7) * np.clip(sheen, 0, 1))
    if rng.random() < 0.4:
        crescent = tx.inside(shape / rng.uniform(1.15, 1.5), 0.2) * tx.smooth(
            0.5 + 0.8 * np.cos(turn - rng.normal(0, 0.8))
        )
        retina = tx.mixed(retina, np.asarray((0.86, 0.72, 0.52)), rng.uniform(0.2, 0.6) * crescent)
    retina = tx.absorbed(retina, 0.10 * np.exp(-(((shape - 1.06) / 0.08) ** 2)), PIGMENT)
    rim = np.asarray((rng.uniform(0.95, 1.05), rng.uniform(0.68, 0.80), rng.uniform(0.40, 0.54)), np.float32)
    rim = rim * (0.94 + 0.05 * tx.fbm(rng, n, n / 40, 3))[..., None]
    retina = tx.mixed(retina, rim, tx.inside(shape, 0.16) * rng.uniform(0.9, 1.0))
    cup_centre = (
        eye.disc[0] + eye.disc_radius * rng.uniform(0, 0.15),
        eye.disc[1] + eye.disc_radius * rng.normal(0, 0.06),
    )
    ratio = eye.disc_radius * rng.uniform(0.28, 0.62)
    cup = tx.ellipse(eye.x, eye.y, cup_centre, (ratio, ratio * rng.uniform(0.9, 1.15))) + 0.04 * tx.fbm(
        rng, n, n / 40, 3
    )
    return tx.mixed(
        retina, np.asarray((1.0, 0.94, rng.uniform(0.70, 0.84))), tx.inside(cup, 0.6) * rng.uniform(0.6, 0.95)
    )


def _with_findings(rng: Rng, retina: Colour, eye: _Eye) -> Colour:
    """In some eyes drusen, hard exudates or small bleedings."""
    if rng.random() < 0.3:
        drusen = _dots(rng, eye, int(rng.integers(15, 60)), (0.006, 0.018), 0.30)
        retina = tx.mixed(retina, np.asarray((0.93, 0.80, 0.50)), 0.45 * tx.blurred(drusen, 2.0))
    if rng.random() < 0.2:
        exudates = _dots(rng, eye, int(rng.integers(15, 50)), (0.004, 0.014), 0.22)
        retina = tx.mixed(retina, np.asarray((0.98, 0.90, 0.55)), 0.8 * tx.blurred(exudates, 1.0))
    if rng.random() < 0.2:
        bleedings = _dots(rng, eye, int(rng.integers(4, 18)), (0.006, 0.022), 0.6)
        retina = tx.absorbed(retina, 0.9 * tx.blurred(bleedings, 1.5), VEIN)
    return retina


def _dots(rng: Rng, eye: _Eye, count: int, radii: tuple[float, float], spread: float) -> Field:
    canvas = np.zeros_like(eye.x)
    middle = np.asarray(eye.fovea) + rng.normal(0, 0.12, 2)
    for x, y in rng.normal(0, spread / 1.5, (count, 2)) + middle:
        place = np.rint((np.asarray((x, y)) * eye.scale + len(canvas) / 2) * 16).astype(int)
        axes = np.rint(rng.uniform(*radii) * rng.uniform(0.7, 1.3, 2) * eye.scale * 8).astype(int)
        cv2.ellipse(
            canvas, place.tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, rng.uniform(0.5, 1), -1, cv2.LINE_AA, 4
        )
    return canvas


def _with_vessels(rng: Rng, retina: Colour, eye: _Eye) -> Colour:
    """Veins, then arteries over them, each with the shine of its column of blood."""
    n = len(eye.x)
    fine, strong = rng.uniform(0.75, 1.2), rng.uniform(0.5, 1.3)
    for spectrum, width, strength in ((VEIN, 0.19 * eye.disc_radius, 0.74), (ARTERY, 0.14 * eye.disc_radius, 0.62)):
        branches = _arcades(rng, eye, width * fine)
        column = tx.blurred(eye.strokes(branches), 1.1)
        retina = tx.absorbed(retina, strong * strength * column * (1 + 0.12 * tx.fbm(rng, n, n / 8, 2)), spectrum)
        shine = [Branch(b.points, b.widths * 0.28) for b in branches if b.widths[0] > width * 0.55]
        retina = tx.mixed(retina, np.asarray((0.98, 0.72, 0.52)), 0.16 * tx.blurred(eye.strokes(shine), 1.2))
    return retina


def _arcades(rng: Rng, eye: _Eye, width: float) -> list[Branch]:
    """Two temporal arcades that bend round the macula, two nasal trunks, and twigs to the macula and the nasal side."""
    habit = Habit(
        step=0.016,
        tortuosity=rng.uniform(0.06, 0.15),
        interval=rng.uniform(0.15, 0.23),
        taper=0.55,
        ratio=0.58,
        thinnest=0.005,
    )
    territory = Territory(0.03)

    def allowed(x: float, y: float) -> bool:
        return math.hypot(x - eye.fovea[0], y - eye.fovea[1]) > 0.15 and math.hypot(x, y) < 1.02

    branches: list[Branch] = []
    for shoot in _trunks(rng, eye, width):
        branches += grow(rng, habit, shoot, territory=territory, allowed=allowed)
    return branches


def _trunks(rng: Rng, eye: _Eye, width: float) -> Iterator[Shoot]:
    for side in (-1, 1):
        heading = side * rng.uniform(1.15, 1.55)
        bend = -side * rng.uniform(0.75, 1.05)
        yield _trunk(rng, eye, heading, width * rng.uniform(0.9, 1.1), rng.uniform(1.5, 1.9), bend)
        heading, bend = side * rng.uniform(1.9, 2.4), side * rng.uniform(-0.3, 0.6)
        yield _trunk(rng, eye, heading, width * rng.uniform(0.5, 0.75), rng.uniform(0.6, 1.0), bend)
        heading, bend = side * rng.uniform(0.25, 0.7), -side * rng.uniform(0, 0.8)
        yield _trunk(rng, eye, heading, width * rng.uniform(0.25, 0.35), rng.uniform(0.3, 0.5), bend)
        yield _trunk(rng, eye, math.pi + side * rng.uniform(0.1, 0.5), width * 0.3, 0.35)


def _trunk(rng: Rng, eye: _Eye, heading: float, width: float, length: float, curvature: float = 0.0) -> Shoot:
    """Return the start of a vessel: in the cup, beside the disc's centre."""
    reach = eye.disc_radius * rng.uniform(0.0, 0.3)
    start = (eye.disc[0] + reach * math.cos(heading), eye.disc[1] + reach * math.sin(heading))
    return Shoot(start, heading, width, length, curvature)


def _photographed(rng: Rng, retina: Colour, eye: _Eye) -> Colour:
    """Light falls off to the rim and is off the axis; some pictures have a haze or a crescent of stray light."""
    centre = rng.normal(0, 0.3, 2)
    away = np.hypot(eye.x - centre[0], eye.y - centre[1])
    light = 1.06 - rng.uniform(0.1, 0.75) * tx.smooth(away / 1.35) ** 1.3
    retina = retina * light[..., None] * np.float32(rng.uniform(0.85, 1.05))
    haze = 0.3 * rng.random() ** 2 * (0.6 + 0.4 * tx.smooth(np.hypot(eye.x, eye.y)))
    retina = tx.mixed(retina, np.asarray((0.75, 0.62, 0.55)) * rng.uniform(0.6, 1.0), haze)
    if rng.random() < 0.4:
        turn = rng.uniform(0, 2 * math.pi)
        depth = np.hypot(eye.x + 0.4 * math.cos(turn), eye.y + 0.4 * math.sin(turn))
        stray = tx.smooth((depth - rng.uniform(1.0, 1.15)) / 0.35)
        retina = tx.mixed(retina, np.asarray((0.93, 0.88, 0.68)), rng.uniform(0.3, 0.8) * stray)
    return retina


def _masked(rng: Rng, retina: Colour) -> Colour:
    """The camera's black surround: a circle, cut off above and below in some cameras, with a notch in others."""
    x, y = tx.coordinates(len(retina))
    mask = tx.inside(np.hypot(x, y) / _FOV, 0.008)
    if rng.random() < 0.25:
        mask = mask * tx.inside(np.abs(y) / rng.uniform(0.82, 0.92), 0.008)
    if rng.random() < 0.3:
        turn = rng.choice((-0.7, 0.0, 0.7))
        notch = tx.ellipse(x, y, (_FOV * math.cos(turn), _FOV * math.sin(turn)), (0.035, 0.045), turn, power=8)
        mask = np.maximum(mask, tx.inside(notch, 0.1))
    return np.asarray(retina * mask[..., None], np.float32)
