"""Axial chest CT slices, drawn in Hounsfield units and shown through a window, as a scanner's console would.

The level of the slice (0 at the aortic arch, 1 at the dome of the liver) decides which organs it meets. Tissue values
are textbook ones: air -1000, lung -870, fat -100, blood and muscle 40 to 60, contrast up to 300, bone 300 to 900 HU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from samples.phantoms import texture as tx
from samples.phantoms.texture import Field, Picture, Rng
from samples.phantoms.thorax import lung_vessels, ribs, scapulae, spine, sternum

AIR: Final = -1000.0
LUNG: Final = -870.0
FAT: Final = -105.0
MUSCLE: Final = 55.0
WINDOWS: Final = (
    (-600.0, 1500.0),
    (-450.0, 1400.0),
    (-100.0, 1900.0),
    (0.0, 2000.0),
    (40.0, 1500.0),
    (-300.0, 1000.0),
    (200.0, 2600.0),
)
"""Centre and width in HU: lung windows, and wider ones that show lung and bone alike."""


@dataclass(frozen=True)
class _Chest:
    """One patient's build at one level. Lengths are shares of half the picture's width."""

    x: Field
    y: Field
    angle: Field
    level: float
    width: float
    depth: float
    fat: float
    contrast: float
    """HU that contrast medium adds to blood."""


def draw(seed: int, size: int = 288) -> Picture:
    """Draw the patient `seed`: uint8 (size, size, 3), three equal channels."""
    rng = tx.generator("ct", seed)
    chest = _chest(rng, size * tx.OVERSAMPLING)
    hu, cavity = _wall(rng, chest)
    lungs, mediastinum = _lungs(rng, chest, cavity)
    hu = _mediastinum(rng, chest, hu, mediastinum, cavity)
    hu = _parenchyma(rng, chest, hu, lungs)
    hu = _bones(rng, chest, hu)
    return tx.picture(_shown(rng, tx.reduced(hu)))


def _chest(rng: Rng, n: int) -> _Chest:
    """Choose build and framing: tightly around the chest, or with air around it."""
    x, y = tx.coordinates(n)
    zoom = rng.choice((rng.uniform(0.64, 0.80), rng.uniform(0.86, 1.02), rng.uniform(1.02, 1.4)), p=(0.4, 0.3, 0.3))
    tilt, shift = rng.normal(0, 0.06), rng.normal(0, 0.06, 2)
    u = (x * math.cos(tilt) + y * math.sin(tilt) - shift[0]) * zoom
    v = (y * math.cos(tilt) - x * math.sin(tilt) - shift[1]) * zoom
    width = rng.uniform(0.84, 0.92)
    return _Chest(
        np.asarray(u, np.float32),
        np.asarray(v, np.float32),
        np.asarray(np.arctan2(v, u), np.float32),
        level=rng.uniform(0, 1),
        width=width,
        depth=width * rng.uniform(0.62, 0.88),
        fat=rng.uniform(0.02, 0.16),
        contrast=rng.choice((0.0, 60.0, 190.0)),
    )


def _wall(rng: Rng, chest: _Chest) -> tuple[Field, Field]:
    """Return skin, fat and muscle, and the radius field of the thoracic cavity (1 on its wall)."""
    n, x, y = len(chest.x), chest.x, chest.y
    body = tx.ellipse(x, y, (0, 0), (chest.width, chest.depth), power=rng.uniform(2.2, 2.7))
    body = (
        body * (1 + tx.wobble(rng, chest.angle, 0.016, 5))
        + 0.035 * tx.smooth(y / chest.depth) ** 3
        + 0.06 * np.exp(-((x / 0.12) ** 2)) * (y > 0)
    )
    shell = (chest.width - chest.fat) / chest.width
    muscle = tx.ellipse(x, y, (0, 0), (chest.width * shell, chest.depth * (shell - 0.02)), power=2.4)
    muscle = (
        muscle * (1 + tx.wobble(rng, chest.angle, 0.018, 6))
        + 0.04 * tx.smooth(y / chest.depth) ** 3
        + 0.05 * np.exp(-((x / 0.10) ** 2)) * (y > 0)
    )
    inset = rng.uniform(0.085, 0.12) + 0.09 * (1 - chest.level) * rng.uniform(0.5, 1)
    cavity = tx.ellipse(
        x, y, (0, -0.045), (chest.width * shell - inset, chest.depth * shell - 0.115), power=rng.uniform(2.1, 2.5)
    )
    cavity = cavity * (1 + tx.wobble(rng, chest.angle, 0.015, 6))
    hu = tx.mixed(np.full((n, n), AIR, np.float32), FAT + 12 * tx.fbm(rng, n, n / 20, 4), tx.inside(body, 0.012))
    hu = tx.mixed(hu, FAT + 150 * np.exp(-(((body - 0.995) / 0.012) ** 2)), tx.inside(body, 0.012))
    planes = tx.smooth((np.abs(tx.fbm(rng, n, n / 7, 3)) - 0.08) / 0.1)  # fat between the muscles
    hu = tx.mixed(hu, FAT + (MUSCLE - FAT) * planes + 10 * tx.fbm(rng, n, n / 30, 3), tx.inside(muscle, 0.02))
    hu = tx.mixed(hu, MUSCLE, tx.inside(cavity / 1.07, 0.03))
    return hu + _table(rng, chest, hu), cavity


def _table(rng: Rng, chest: _Chest, hu: Field) -> Field:
    """Return the couch under the patient, which some pictures show."""
    if rng.random() < 0.5:
        return np.zeros_like(hu)
    sag = chest.y - chest.depth - 0.05 + rng.uniform(0.05, 0.14) * chest.x**2
    line = np.exp(-((sag / 0.008) ** 2)) + 0.7 * np.exp(-(((sag - 0.09) / 0.008) ** 2))
    return np.asarray(520 * line * (np.abs(chest.x) < 0.8) * (hu < -900), np.float32)


def _lungs(rng: Rng, chest: _Chest, cavity: Field) -> tuple[Field, Field]:
    """Return the masks of the lungs and of the mediastinum between them."""
    n, x, y = len(chest.x), chest.x, chest.y
    spine_bulge = tx.ellipse(x, y, (0, chest.depth * 0.56), (0.17, chest.depth * 0.36))
    half = 0.11 + 0.05 * rng.random() + 0.05 * np.clip(y, -1, 0.1) * (1 - chest.level)
    band = np.abs(x - 0.015) / half + 0.6 * np.clip(-(y + chest.depth * 0.45), 0, 1)
    parts = [spine_bulge, band]
    for centre, radii, turn in _great_shapes(rng, chest):
        parts.append(tx.ellipse(x, y, centre, radii, turn) * (1 + tx.wobble(rng, chest.angle, 0.02)))
    union = -np.logaddexp.reduce(np.stack([-14 * p for p in parts]), axis=0) / 14
    union = union + 0.03 * tx.fbm(rng, n, n / 14, 3)
    mediastinum = tx.inside(union, 0.05)
    return tx.inside(cavity, 0.03) * (1 - mediastinum), mediastinum


def _great_shapes(rng: Rng, chest: _Chest) -> list[tuple[tuple[float, float], tuple[float, float], float]]:
    """Return the outlines (centre, radii, turn) of organs that widen the mediastinum at this level."""
    d, level = chest.depth, chest.level
    shapes = [((0.10, d * 0.28), (0.085, 0.085), 0.0)]  # descending aorta
    if level < 0.3:
        shapes += [((0.03, -d * 0.22), (0.19, 0.16), 0.5), ((-0.04, -d * 0.38), (0.15, 0.12), 0.0)]
    elif level < 0.55:
        shapes += [((0.02, -d * 0.25), (0.24, 0.20), 0.2), ((0.19, -d * 0.02), (0.13, 0.09), 0.0)]
        shapes += [((-0.17, d * 0.0), (0.12, 0.09), 0.0)]
    else:
        grown = rng.uniform(0.85, 1.15)
        shapes += [((0.09, -d * 0.2), (0.33 * grown, 0.27 * grown), rng.uniform(0.3, 0.8))]
        if level > 0.85:
            shapes += [((-0.38, d * rng.uniform(-0.1, 0.1)), (0.27, 0.25), 0.3)]
    return shapes


def _mediastinum(rng: Rng, chest: _Chest, hu: Field, mask: Field, cavity: Field) -> Field:
    """Add fat, vessels, heart chambers, oesophagus and trachea or main bronchi."""
    n, x, y, d = len(chest.x), chest.x, chest.y, chest.depth
    within = mask * tx.inside(cavity, 0.03)
    hu = tx.mixed(hu, FAT + 25 + 130 * tx.smooth(0.5 + 0.5 * tx.fbm(rng, n, n / 18, 4)), within)
    blood = 45 + chest.contrast
    for i, (centre, radii, turn) in enumerate(_great_vessels(rng, chest)):
        shape = tx.ellipse(x, y, centre, radii, turn) * (1 + tx.wobble(rng, chest.angle, 0.03)) + 0.04 * tx.fbm(
            rng, n, n / 16, 3
        )
        value = blood * rng.uniform(0.75, 1.1) + 8 * tx.fbm(rng, n, n / 12, 3)
        hu = tx.mixed(hu, value if i else 0.5 * (value + MUSCLE), tx.inside(shape, 0.12) * within)
    hu = tx.mixed(hu, 35.0, tx.inside(tx.ellipse(x, y, (0.035, d * 0.2), (0.035, 0.028)), 0.2) * within)  # oesophagus
    airways = [((-0.01, d * 0.02), (0.062, 0.07))] if chest.level < 0.35 else []
    if 0.35 <= chest.level < 0.65:
        airways = [((-0.12, d * 0.04), (0.055, 0.045)), ((0.11, d * 0.06), (0.055, 0.045))]
    for centre, radii in airways:
        tube = tx.ellipse(x, y, centre, radii, rng.normal(0, 0.3))
        hu = tx.mixed(tx.mixed(hu, 30.0, tx.inside(tube / 1.25, 0.1)), AIR + 20, tx.inside(tube, 0.1))
    return hu


def _great_vessels(rng: Rng, chest: _Chest) -> list[tuple[tuple[float, float], tuple[float, float], float]]:
    """Return (centre, radii, turn) of vessels and chambers; the first is the wall or muscle around the others."""
    d, level = chest.depth, chest.level
    aorta = ((0.10, d * 0.28), (0.072, 0.072), 0.0)
    if level < 0.3:
        return [aorta, ((0.05, -d * 0.12), (0.17, 0.075), 0.6), ((-0.12, -d * 0.28), (0.06, 0.055), 0.0), aorta]
    if level < 0.55:
        pulmonary = ((0.10, -d * 0.18), (0.18, 0.085), rng.uniform(0.4, 0.8))
        return [
            aorta,
            ((-0.06, -d * 0.3), (0.095, 0.095), 0.0),
            pulmonary,
            ((-0.15, -d * 0.16), (0.06, 0.05), 0.0),
            aorta,
        ]
    turn = rng.uniform(0.3, 0.7)
    whole = ((0.09, -d * 0.2), (0.31, 0.25), turn)
    left, right = ((0.18, -d * 0.12), (0.15, 0.11), turn), ((-0.03, -d * 0.32), (0.15, 0.10), turn + 0.4)
    atrium = ((-0.03, d * 0.02), (0.15, 0.075), 0.1)
    liver = [((-0.38, 0.0), (0.30, 0.28), 0.3)] if level > 0.85 else []
    return [whole, left, right, atrium, aorta, *liver]


def _parenchyma(rng: Rng, chest: _Chest, hu: Field, lungs: Field) -> Field:
    """Add lung tissue, denser at the back, with vessels and bronchi; some patients have ground-glass opacities."""
    n = len(chest.x)
    tissue = LUNG + rng.uniform(-40, 40) + 45 * np.clip(chest.y, -0.6, 0.6) + 14 * tx.fbm(rng, n, n / 10, 4)
    hu = tx.mixed(hu, tissue, lungs)
    vessels, walls, lumens = lung_vessels(rng, chest.x, chest.y, chest.depth)
    inner = lungs * tx.inside(tx.blurred(1 - lungs, n / 160) * 2.2, 0.6)
    hu = tx.mixed(hu, 30 + 0.5 * chest.contrast, vessels * inner)
    hu = tx.mixed(tx.mixed(hu, -60.0, 0.7 * walls * inner), -960.0, lumens * inner)
    if rng.random() < 0.3:
        patch = tx.smooth((tx.fbm(rng, n, n / 6, 5, 0.6) + 0.8 * chest.y - 1.0) / 0.8) * lungs
        hu = tx.mixed(hu, -420 + 120 * tx.fbm(rng, n, n / 40, 4), rng.uniform(0.4, 0.9) * patch)
    return hu


def _bones(rng: Rng, chest: _Chest, hu: Field) -> Field:
    """Add the bones: cortex, and marrow with trabeculae."""
    n = len(chest.x)
    parts = [spine(rng, chest.x, chest.y, chest.depth), sternum(rng, chest.x, chest.y, chest.depth)]
    parts.append(ribs(rng, chest.x, chest.y, chest.width - chest.fat - 0.085, chest.depth - chest.fat - 0.085))
    if chest.level < 0.45:
        parts.append(scapulae(rng, chest.x, chest.y, chest.width - chest.fat, chest.depth))
    marrow = 170 + 70 * tx.fbm(rng, n, n / 90, 3, 0.8)
    for bone, cortex in parts:
        hu = tx.mixed(tx.mixed(hu, marrow, bone), rng.uniform(480, 760), cortex)
    return hu


def _shown(rng: Rng, hu: Field) -> Field:
    """Add the scanner's blur and noise, enhance edges, and apply a window: 0 to 1."""
    noise = tx.blurred(rng.standard_normal(hu.shape, np.float32), 0.6)
    hu = tx.sharpened(tx.blurred(hu, rng.uniform(0.3, 0.95)), rng.uniform(0.1, 1.0)) + noise * rng.uniform(8, 60)
    centre, width = WINDOWS[rng.integers(len(WINDOWS))]
    return np.asarray((hu - centre) / width + 0.5, np.float32)
