"""Marks that are drawn for the training of the mask, and for its evaluation."""

import cv2
import numpy as np
import pytest

from training.data.drawn_marks import MARKS, Canvas, Family, draw_marks, draw_style, electrodes, hairs, viewer
from training.evaluation.layouts import LAYOUTS, Layout

GREY = np.full((300, 400, 3), 110, np.uint8)


@pytest.mark.parametrize("family", [*MARKS, viewer], ids=lambda family: family.__name__)
def test_the_mask_covers_what_a_family_changes(family: Family) -> None:
    changed = masked = covered = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        canvas = Canvas.of(GREY)
        family(canvas, draw_style(rng), rng)
        seen = (canvas.image != GREY).any(axis=2)
        changed, masked = changed + int(seen.sum()), masked + int((canvas.mask > 0).sum())
        covered += int((seen & (canvas.mask > 0)).sum())
    assert masked > 0
    assert covered > 0.98 * changed


@pytest.mark.parametrize("negative", [hairs, electrodes])
def test_what_lies_on_the_body_is_no_mark(negative: Family) -> None:
    rng = np.random.default_rng(1)
    canvas = Canvas.of(GREY)
    negative(canvas, draw_style(rng), rng)
    assert (canvas.image != GREY).any()
    assert not canvas.mask.any()


def test_what_cannot_be_seen_is_no_mark() -> None:
    canvas = Canvas.of(GREY)
    canvas.paint(np.full(GREY.shape[:2], 255, np.uint8), (112, 112, 112))
    canvas.forget_invisible(GREY)
    assert not canvas.mask.any()


def test_a_seed_draws_the_same_again() -> None:
    first, again, other = (draw_marks(GREY, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_a_layout_keeps_its_places_and_changes_its_words(layout: Layout) -> None:
    images = [layout(np.full((512, 640, 3), 90, np.uint8), np.random.default_rng(seed)) for seed in (1, 2)]
    drawn = [cv2.dilate((image != 90).any(axis=2).astype(np.uint8), np.ones((15, 15))) > 0 for image in images]
    assert not np.array_equal(images[0], images[1])
    assert (drawn[0] & drawn[1]).sum() > 0.7 * (drawn[0] | drawn[1]).sum()
