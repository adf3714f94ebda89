"""Frontal chest radiographs: the attenuation of every tissue, added up along the beam, as a digital detector shows it.

The detector shows the logarithm of what arrives, so attenuation adds (Beer-Lambert) and dense tissue is bright. Lengths
are shares of half the picture's width before the patient is framed. The patient's right is on the left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samples.phantoms import texture as tx
from samples.phantoms.texture import Field, Picture, Rng
from samples.phantoms.vessels import Branch, Habit, Shoot, Territory, curve, grow, stroked

SIDES = (-1, 1)


@dataclass(frozen=True)
class _Chest:
    """One patient's build and framing."""

    x: Field
    y: Field
    scale: float
    """Pixels per unit of length."""
    offset: tuple[float, float]
    """Pixel of the origin."""
    width: float
    """Half the width of the rib cage at its widest."""
    top: float
    """Height of the apices of the lungs."""
    domes: tuple[float, float]
    """Heights of the diaphragm's right and left dome."""
    middle: float
    """Horizontal position of the spine."""

    def drawn(self, branches: Sequence[Branch]) -> Field:
        """Return the coverage, 0 to 1, of strokes whose points and widths are lengths."""
        return stroked(len(self.x), branches, self.scale, self.offset)

    def dome(self) -> Field:
        """Return the height of the diaphragm's dome for every pixel."""
        right, left = self.domes
        return right + (left - right) * tx.smooth(self.x / 0.3 + 0.5)

    def wall(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the width of the rib cage at the heights `y`."""
        t = np.clip((y - self.top) / (0.55 - self.top), 0, 1)
        return np.asarray(self.width * (1 - (1 - t) ** 2.3) ** 0.55)


def draw(seed: int, size: int = 288) -> Picture:
    """Draw the patient `seed`: uint8 (size, size, 3), three equal channels."""
    rng = tx.generator("xray", seed)
    chest = _chest(rng, size * tx.OVERSAMPLING)
    lungs = _lungs(rng, chest)
    density = _body(rng, chest) - rng.uniform(0.34, 0.66) * lungs
    density = density + _mediastinum(rng, chest) + _parenchyma(rng, chest, lungs)
    density = density + _bones(rng, chest) + _devices(rng, chest)
    return tx.picture(_shown(rng, tx.reduced(density)))


def _chest(rng: Rng, n: int) -> _Chest:
    x, y = tx.coordinates(n)
    zoom, shift = rng.uniform(0.74, 1.16), rng.normal(0, 0.05, 2)
    right = rng.uniform(0.12, 0.62)
    return _Chest(
        x=np.asarray((x - shift[0]) * zoom, np.float32),
        y=np.asarray((y - shift[1]) * zoom, np.float32),
        scale=n / 2 / zoom,
        offset=(float(n / 2 * (1 + shift[0])), float(n / 2 * (1 + shift[1]))),
        width=rng.uniform(0.60, 0.84),
        top=rng.uniform(-0.90, -0.62),
        domes=(right, right + rng.uniform(-0.04, 0.12)),
        middle=rng.normal(0, 0.03),
    )


def _body(rng: Rng, chest: _Chest) -> Field:
    """Return the attenuation of muscle and fat of trunk, neck, shoulders and breasts."""
    n, x, y = len(chest.x), chest.x, chest.y
    fat = rng.uniform(0.05, 0.34)
    trunk = tx.ellipse(x, y, (0, 0.9), (chest.width + fat, 2.0), power=3.2)
    shoulder = chest.top + rng.uniform(-0.12, 0.10)
    slope = y - shoulder + rng.uniform(0.10, 0.22) * (1 - tx.smooth((np.abs(x) - 0.1) / 0.55))
    arms = tx.smooth((np.abs(x) - chest.width - fat) / 0.08) * rng.choice((0.0, 1.0), p=(0.45, 0.55))
    tissue = np.sqrt(np.clip(1.04 - trunk, 0, 1)) * 0.42 + 0.34 * tx.inside(trunk, 0.05)
    tissue = np.maximum(tissue, 0.40 * arms * tx.inside(np.abs(x) / 1.4, 0.2))
    tissue = tissue * tx.smooth(slope / 0.08 + 0.5)
    neck = tx.inside(np.abs(x) / rng.uniform(0.22, 0.30), 0.25)
    tissue = np.maximum(tissue, 0.62 * neck * tx.smooth((shoulder + 0.25 - y) / 0.3))
    tissue = tissue + 0.12 + 0.16 * tx.smooth((y - chest.dome()) / 0.4)
    breasts = rng.choice((0.0, rng.uniform(0.05, 0.22)))
    for side in SIDES:
        centre = (side * chest.width * rng.uniform(0.52, 0.62), rng.uniform(0.26, 0.40))
        shape = tx.ellipse(x, y, centre, (0.33, 0.27)) + 0.10 * tx.smooth(centre[1] - y)
        tissue = tissue + breasts * tx.inside(shape, 0.25)
    return np.asarray(tissue * (1 + 0.03 * tx.fbm(rng, n, n / 6, 4)), np.float32)


def _lungs(rng: Rng, chest: _Chest) -> Field:
    """Return the air along the beam, 0 to 1: most in the middle of each lung, little below the diaphragm."""
    n, x, y = len(chest.x), chest.x, chest.y
    wall = chest.wall(np.asarray(y, np.float64)) + 1e-3
    across = np.abs(x - chest.middle) / wall
    depth = np.sqrt(np.clip(1 - across**2.6, 0, 1)) * tx.smooth((y - chest.top) / 0.5 + 0.25)
    air = depth * tx.inside(across + 0.01 * tx.fbm(rng, n, n / 8, 3), 0.035)
    reach = (np.abs(x) - rng.uniform(0.40, 0.52) * chest.width) / (0.55 * chest.width)
    fall = np.where(reach > 0, rng.uniform(0.18, 0.30), rng.uniform(0.03, 0.09)) * reach**2
    air = air * (1 - 0.93 * tx.smooth((y - chest.dome() - fall) / 0.035 + 0.5))
    if rng.random() < 0.6:  # air in the stomach
        bubble = (rng.uniform(0.28, 0.44), chest.domes[1] + rng.uniform(0.12, 0.17))
        air = np.maximum(air, rng.uniform(0.3, 0.6) * tx.inside(tx.ellipse(x, y, bubble, (0.15, 0.06)), 0.5))
    return np.asarray(air, np.float32)


def _mediastinum(rng: Rng, chest: _Chest) -> Field:
    """Return heart and great vessels, less the air of trachea and main bronchi."""
    n, x, y = len(chest.x), chest.x - chest.middle, chest.y
    angle = np.asarray(np.arctan2(y - 0.15, x - 0.1), np.float32)
    base, grown = sum(chest.domes) / 2, rng.uniform(0.78, 1.42)
    heart = tx.ellipse(
        x, y, (0.13 * grown, base - 0.12), (0.36 * grown, 0.21 * grown), rng.uniform(0.35, 0.6), power=2.2
    )
    atrium = tx.ellipse(x, y, (-0.05, base - 0.2), (0.16 * grown, 0.26))
    knob = tx.ellipse(x, y, (rng.uniform(0.08, 0.13), rng.uniform(-0.36, -0.26)), (rng.uniform(0.09, 0.13), 0.11))
    trunk = tx.ellipse(x, y, (0.12, rng.uniform(-0.16, -0.1)), (0.10, 0.13))
    half = rng.uniform(0.075, 0.12)
    band = np.abs(x - 0.005) / (half + 0.05 * tx.smooth((y + 0.1) / 0.6) + 0.05 * tx.smooth((-0.62 - y) / 0.3))
    shapes = [part * (1 + tx.wobble(rng, angle, 0.02, 5)) for part in (heart, atrium, knob, trunk, band)]
    edge = -np.logaddexp.reduce(np.stack([-9 * part for part in shapes]), axis=0) / 9 + 0.09
    edge = edge + 0.015 * tx.fbm(rng, n, n / 14, 3)
    above = 1 - 0.8 * tx.smooth((y - base + 0.05) / 0.25)
    dense = (
        0.36 * tx.inside(edge, 0.14) + 0.14 * np.sqrt(np.clip(1 - heart, 0, 1)) + 0.05 * tx.inside(knob, 0.5)
    ) * above
    carina = rng.uniform(-0.28, -0.2)
    fork = chest.middle + rng.normal(0, 0.02)
    airways = [Branch(np.asarray([(chest.middle, -1.1), (fork, carina)]), np.asarray([0.085, 0.08]))]
    for side, length in zip(SIDES, (0.17, 0.23), strict=True):
        ends = ((fork, carina), (fork + side * length, carina + rng.uniform(0.12, 0.17)))
        airways.append(Branch(np.asarray(ends), np.full(2, 0.06)))
    air = tx.blurred(chest.drawn(airways), n / 160)
    return np.asarray(dense - rng.uniform(0.10, 0.16) * air, np.float32)


def _parenchyma(rng: Rng, chest: _Chest, lungs: Field) -> Field:
    """Return vessels that fan out of the hila, the fine net between them, and in some patients an opacity or fluid."""
    n = len(chest.x)
    habit = Habit(step=0.02, tortuosity=0.05, interval=0.09, taper=0.75, ratio=0.62, thinnest=0.005, angle=0.6)
    branches: list[Branch] = []
    hila = []
    for side in SIDES:
        hilum = (chest.middle + side * rng.uniform(0.17, 0.22), rng.uniform(-0.12, 0.0))
        hila.append(
            tx.inside(tx.ellipse(chest.x, chest.y, hilum, (rng.uniform(0.07, 0.11), rng.uniform(0.13, 0.19))), 0.9)
        )
        territory = Territory(0.03)
        for heading in np.linspace(-1.3, 1.35, int(rng.integers(9, 13))) + rng.normal(0, 0.1):
            direction = heading if side > 0 else math.pi - heading
            low = 1 + 0.5 * (heading > 0)  # the lower lobes get more blood
            shoot = Shoot(
                hilum, direction, 0.022 * low * rng.uniform(0.6, 1.2), rng.uniform(0.4, 0.65), rng.normal(0, 0.4)
            )
            branches += grow(rng, habit, shoot, territory=territory)
    vessels = tx.blurred(chest.drawn(branches), n / 420)
    net = tx.smooth(0.5 + 0.4 * tx.fbm(rng, n, n / 26, 4, 0.65))
    density = rng.uniform(0.05, 0.17) * vessels + rng.uniform(0.05, 0.2) * tx.blurred(hila[0] + hila[1], n / 50)
    density = density + rng.uniform(0.02, 0.13) * net
    if rng.random() < 0.5:
        density = density + rng.uniform(0.1, 0.4) * tx.smooth((tx.fbm(rng, n, n / 4, 5) - rng.uniform(0, 0.9)) / 1.2)
    if rng.random() < 0.3:  # fluid beside one lung
        side, level = rng.choice(SIDES), sum(chest.domes) / 2 - rng.uniform(0, 0.4)
        fluid = tx.smooth((chest.y - level + 0.5 * np.abs(chest.x) - 0.2) / 0.25) * (chest.x * side > 0.1)
        density = density + rng.uniform(0.2, 0.45) * fluid
    return np.asarray(density * np.clip(2 * lungs, 0, 1), np.float32)


def _bones(rng: Rng, chest: _Chest) -> Field:
    """Return ribs, clavicles, shoulder blades and spine. A bone is a tube: its walls are denser than its middle."""
    n = len(chest.x)
    first, apart = chest.top + rng.uniform(0.02, 0.07), rng.uniform(0.118, 0.142)
    density: Field = np.zeros((n, n), np.float32)
    strength = rng.uniform(0.04, 0.17)
    for number in range(10):
        height = first + apart * number * (1 + 0.012 * number)
        for side in SIDES:
            back, front = _rib(rng, chest, side, height, number)
            density = density + strength * _tube(chest, back) + 0.65 * strength * _tube(chest, front)
    for side in SIDES:
        density = density + 0.16 * _tube(chest, _clavicle(rng, chest, side))
        density = density + _shoulder(rng, chest, side)
    return np.asarray(density + _spine(rng, chest), np.float32)


def _rib(rng: Rng, chest: _Chest, side: int, height: float, number: int) -> Iterator[Branch]:
    """Yield the part behind the lung, sloping down to the wall, then the part in front, which turns back."""
    drop = (0.05 + 0.028 * number) * rng.uniform(0.8, 1.2)
    t = np.linspace(0, 1, 40)
    y = height - 0.05 * np.sin(math.pi * np.clip(1.7 * t, 0, 1)) + drop * t**1.8
    reach = chest.wall(y) + 0.015
    x = side * (0.05 + (reach - 0.05) * np.sin(t * math.pi / 2) ** 0.95)
    width = (0.052 + 0.0015 * number) * rng.uniform(0.9, 1.1)
    yield Branch(np.stack([x + chest.middle, y], 1), width * (0.8 + 0.2 * np.sin(math.pi * t)))
    inwards = rng.uniform(0.30, 0.45) + 0.03 * number
    s = np.linspace(0, 1, 30)
    fall = rng.uniform(0.14, 0.20) + 0.012 * number
    y2 = y[-1] + fall * s**0.75
    x2 = side * (reach[-1] - (reach[-1] - inwards * chest.width) * s**1.6)
    yield Branch(np.stack([x2 + chest.middle, y2], 1), width * (1.0 + 0.3 * s))


def _tube(chest: _Chest, bone: Branch) -> Field:
    n = len(chest.x)
    solid = tx.blurred(chest.drawn([bone]), n / 330)
    marrow = tx.blurred(chest.drawn([Branch(bone.points, 0.62 * bone.widths)]), n / 330)
    return solid - 0.42 * marrow


def _clavicle(rng: Rng, chest: _Chest, side: int) -> Branch:
    t = np.linspace(0, 1, 40)
    rise = rng.uniform(0.02, 0.14)
    x = side * (0.07 + (chest.width + 0.02) * t)
    y = chest.top + rng.uniform(0.10, 0.18) - rise * t + 0.035 * np.sin(2 * math.pi * t)
    return Branch(np.stack([x + chest.middle, y], 1), 0.055 + 0.025 * np.abs(2 * t - 0.9))


def _shoulder(rng: Rng, chest: _Chest, side: int) -> Field:
    """Return the shoulder blade along the wall and the head of the humerus beside it."""
    x, y = chest.x, chest.y
    centre = (side * (chest.width + rng.uniform(-0.02, 0.06)), chest.top + rng.uniform(0.32, 0.42))
    turn = side * rng.uniform(0.1, 0.35)
    plate = tx.ellipse(x, y, centre, (0.13, 0.36), turn, power=2.5)
    head = tx.ellipse(x, y, (side * (chest.width + 0.24), chest.top + rng.uniform(0.06, 0.16)), (0.13, 0.14))
    shell = tx.inside(head, 0.1) - 0.4 * tx.inside(head / 0.8, 0.15)
    margin = np.exp(-(((plate - 0.97) / 0.06) ** 2))
    return np.asarray(0.05 * tx.inside(plate, 0.06) + 0.07 * margin + 0.15 * shell, np.float32)


def _spine(rng: Rng, chest: _Chest) -> Field:
    """Return vertebral bodies with the discs between them, their pedicles and spinous processes."""
    n, y = len(chest.x), chest.y
    bend = chest.middle + rng.normal(0, 0.03) * np.sin(2.2 * y + rng.uniform(0, 3))
    x = chest.x - bend
    height, start = rng.uniform(0.125, 0.145), rng.uniform(0, 0.1)
    place = (y - start) / height
    within = np.abs(place - np.rint(place)) * 2
    half = 0.088 + 0.014 * tx.smooth((y + 1) / 2)
    column = tx.inside(np.abs(x) / half, 0.12)
    discs = tx.smooth((within - 0.74) / 0.14)
    density = column * (0.11 - 0.055 * discs)
    for side in SIDES:
        pedicle = np.hypot((x - side * 0.055) / 0.02, (within * height / 2 - 0.01) / 0.027)
        density = density + 0.05 * tx.inside(pedicle, 0.4)
    process = np.hypot(x / 0.013, (place - np.rint(place) - 0.25) * height / 0.03)
    return np.asarray((density + 0.04 * tx.inside(process, 0.5)) * (1 + 0.06 * tx.fbm(rng, n, n / 60, 3)), np.float32)


def _devices(rng: Rng, chest: _Chest) -> Field:
    """Return the metal that some patients have: wires that close a sternum, a pacemaker, cables."""
    strokes: list[Branch] = []
    if rng.random() < 0.2:
        for height in np.linspace(-0.4, 0.15, int(rng.integers(4, 7))):
            turn = np.linspace(0, 2 * math.pi, 20)
            loop = np.stack([0.05 * np.cos(turn) + chest.middle, height + 0.022 * np.sin(turn)], 1)
            strokes.append(Branch(loop, np.full(20, 0.011)))
    case = np.zeros_like(chest.x)
    if rng.random() < 0.25:
        centre = (rng.choice(SIDES) * rng.uniform(0.36, 0.5), chest.top + rng.uniform(0.22, 0.36))
        case = tx.inside(tx.ellipse(chest.x, chest.y, centre, (0.11, 0.09), rng.uniform(-0.4, 0.4), power=3), 0.05)
        strokes.append(Branch(curve(rng, centre, (0.12, 0.3), 0.25), np.full(40, 0.013)))
    if rng.random() < 0.2:
        for side in SIDES:
            ends = ((side * rng.uniform(0.3, 0.7), -1.1), (side * rng.uniform(0.3, 0.6), rng.uniform(-0.2, 0.5)))
            strokes.append(Branch(curve(rng, *ends, 0.15), np.full(40, 0.012)))
    return np.asarray(0.3 * chest.drawn(strokes) + 0.6 * case, np.float32)


def _shown(rng: Rng, density: Field) -> Field:
    """Add the detector's blur and noise, enhance edges, and apply the console's curve: 0 to 1."""
    n = len(density)
    grain = tx.blurred(rng.standard_normal((n, n), np.float32), 0.5) * rng.uniform(0.004, 0.012)
    values = tx.sharpened(tx.blurred(density, rng.uniform(0.3, 1.3)), rng.uniform(0.1, 1.0), 1.5) + grain
    dark, bright = rng.uniform(-0.04, 0.16), rng.uniform(0.96, 1.3)
    values = np.clip((values - dark) / (bright - dark), 0, 1)
    return np.asarray(values ** rng.uniform(0.7, 1.4) * rng.uniform(0.9, 0.98), np.float32)
