"""Bones and lung vessels of the chest phantom.

Lengths are shares of half the picture's width, the chest's centre is 0, 0. Bones
come as two masks: the bone, and of it the dense cortex.
"""

from __future__ import annotations

import math

import numpy as np

from samples.phantoms import texture as tx
from samples.phantoms.texture import Field, Rng
from samples.phantoms.vessels import Branch, Habit, Shoot, Territory, grow, stroked

Bone = tuple[Field, Field]


def _shell(radius: Field, thickness: float) -> Bone:
    """A bone inside `radius` < 1. `thickness` is the share of its cortex."""
    bone = tx.inside(radius, 0.14)
    return bone, bone * (1 - tx.inside(radius / (1 - thickness), 0.22))


def _joined(bones: list[Bone]) -> Bone:
    solid, cortex = (np.maximum.reduce([bone[i] for bone in bones]) for i in (0, 1))
    return solid, cortex


def spine(rng: Rng, x: Field, y: Field, depth: float) -> Bone:
    """Vertebral body, arch round the canal, transverse and spinous processes."""
    middle, grown = depth * 0.42, rng.uniform(0.85, 1.02)
    angle = np.asarray(np.arctan2(y - middle, x), np.float32)
    body = tx.ellipse(x, y, (0, middle), (0.125 * grown, 0.10 * grown), power=2.3) * (1 + tx.wobble(rng, angle, 0.02))
    canal_y = middle + 0.155 * grown
    arch = tx.ellipse(x, y, (0, canal_y), (0.095 * grown, 0.085 * grown))
    bones = [_shell(body, 0.10), _shell(np.abs(arch - 0.92) / 0.22, 0.3)]
    tip = (0, canal_y + 0.125 * grown)
    bones.append(_shell(tx.ellipse(x, y, tip, (0.024, 0.06 * grown), rng.normal(0, 0.08)), 0.4))
    for side in (-1, 1):
        centre = (side * 0.155 * grown, canal_y + 0.012)
        bones.append(_shell(tx.ellipse(x, y, centre, (0.085 * grown, 0.032), side * rng.uniform(0.25, 0.6)), 0.4))
    solid, cortex = _joined(bones)
    hollow = 1 - tx.inside(arch / 0.72, 0.15)
    return solid * np.maximum(hollow, tx.inside(body, 0.1)), cortex * np.maximum(hollow, tx.inside(body, 0.1))


def sternum(rng: Rng, x: Field, y: Field, depth: float) -> Bone:
    """A flat bone behind the skin of the front."""
    centre = (rng.normal(0, 0.01), -depth * rng.uniform(0.80, 0.84))
    return _shell(tx.ellipse(x, y, centre, (rng.uniform(0.09, 0.14), rng.uniform(0.032, 0.045)), power=3), 0.3)


def ribs(rng: Rng, x: Field, y: Field, width: float, depth: float) -> Bone:
    """Obliquely cut ribs along the wall of the chest, mirrored except for chance."""
    bones = []
    for angle in np.arange(-1.15, 1.25, rng.uniform(0.36, 0.48)):
        for side in (-1, 1):
            turn = angle + rng.normal(0, 0.07)
            centre = (side * width * math.cos(turn), depth * math.sin(turn))
            tangent = math.atan2(depth * math.cos(turn), -side * width * math.sin(turn))
            radii = (rng.uniform(0.05, 0.115), rng.uniform(0.017, 0.024))
            bones.append(_shell(tx.ellipse(x, y, centre, radii, tangent, power=2.3), 0.32))
    return _joined(bones)


def scapulae(rng: Rng, x: Field, y: Field, width: float, depth: float) -> Bone:
    """The shoulder blades: long thin plates behind the ribs, thicker at their outer end."""
    bones = []
    for side in (-1, 1):
        turn = side * rng.uniform(-0.75, -0.45)
        centre = (side * width * 0.70, depth * rng.uniform(0.50, 0.58))
        plate = tx.ellipse(x, y, centre, (rng.uniform(0.15, 0.21), 0.018), turn)
        head = (centre[0] + side * 0.15 * math.cos(turn), centre[1] - 0.15 * abs(math.sin(turn)))
        bones += [_shell(plate, 0.55), _shell(tx.ellipse(x, y, head, (0.05, 0.035), turn), 0.4)]
    return _joined(bones)


def lung_vessels(rng: Rng, x: Field, y: Field, depth: float) -> tuple[Field, Field, Field]:
    """Coverage of vessels, of bronchial walls and of bronchial lumens; the caller masks them with the lungs."""
    n = len(x)
    # the affine map from the chest's coordinates to pixels, read off the fields
    along = np.asarray([x[0, -1] - x[0, 0], y[0, -1] - y[0, 0]]) / (n - 1)
    scale = 1 / float(np.hypot(*along))
    turn = math.atan2(float(along[1]), float(along[0]))
    spin = np.asarray([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    origin = -np.asarray([x[0, 0], y[0, 0]]) @ spin * scale

    def drawn(branches: list[Branch]) -> Field:
        return stroked(n, [Branch(b.points @ spin, b.widths) for b in branches], scale, tuple(origin))

    trees, airways = _trees(rng, depth)
    vessels = np.maximum(tx.blurred(drawn(trees), 0.7), _cut_across(rng, n, scale))
    walls = [Branch(b.points, b.widths * 1.9) for b in airways]
    return vessels, drawn(walls), tx.blurred(drawn(airways), 0.8)


def _trees(rng: Rng, depth: float) -> tuple[list[Branch], list[Branch]]:
    """Vessels that fan out of both hila, and the short bronchi beside the first of them."""
    habit = Habit(step=0.02, tortuosity=0.06, interval=0.075, taper=0.75, ratio=0.6, thinnest=0.0045, angle=0.65)
    trees: list[Branch] = []
    airways: list[Branch] = []
    for side in (-1, 1):
        territory = Territory(0.035)
        hilum = (side * rng.uniform(0.15, 0.2), depth * rng.uniform(-0.02, 0.14))
        for heading in np.linspace(-1.35, 1.35, int(rng.integers(6, 10))) + rng.normal(0, 0.12):
            direction = heading if side > 0 else math.pi - heading
            width, length = 0.010 + 0.030 * rng.random() ** 1.5, rng.uniform(0.3, 0.6)
            shoot = Shoot(hilum, direction, width, length, rng.normal(0, 0.5))
            # a thin slice holds pieces of a tree, not the whole tree
            trees += [_piece(rng, b) for b in grow(rng, habit, shoot, territory=territory) if rng.random() < 0.8]
            if width > 0.022:
                beside = (hilum[0], hilum[1] + rng.choice((-1, 1)) * width)
                airways += list(grow(rng, habit, Shoot(beside, direction, width * 0.7, 0.12)))[:1]
    return trees, airways


def _piece(rng: Rng, branch: Branch) -> Branch:
    count = len(branch.points)
    first = int(rng.integers(0, max(1, count // 3)))
    last = int(rng.integers(max(first + 2, count // 2), count + 1)) if count > first + 2 else count
    return Branch(branch.points[first:last], branch.widths[first:last])


def _cut_across(rng: Rng, n: int, scale: float) -> Field:
    """Vessels that the slice cuts across: dots all over, most of them small."""
    dots = []
    for _ in range(int(rng.integers(350, 700))):
        place = rng.uniform(0, n, 2) / scale
        width = 0.006 + 0.014 * rng.random() ** 4
        turn, length = rng.uniform(0, math.pi), width * rng.uniform(0.2, 1.5)
        step = length * np.asarray([math.cos(turn), math.sin(turn)])
        dots.append(Branch(np.stack([place - step, place, place + step]), np.asarray([0.7, 1, 0.7]) * width))
    fade = tx.smooth(0.75 + 0.35 * tx.fbm(rng, n, n / 12, 2))
    return tx.blurred(stroked(n, dots, scale), 0.8) * fade
