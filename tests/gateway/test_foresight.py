import numpy as np

from gateway.foresight import Foresight
from shared.images.views import Image

LABELS = ("ct", "skin", "xray")


def lesion(rng: np.random.Generator) -> Image:
    """A dark spot somewhere on bright, reddish skin."""
    y, x = np.mgrid[:224, :224]
    spot = np.hypot(y - rng.uniform(80, 144), x - rng.uniform(80, 144)) < rng.uniform(30, 60)
    view = np.full((224, 224, 3), rng.uniform(0.8, 1.0) * np.array([220, 170, 150]))
    view[spot] *= rng.uniform(0.3, 0.5)
    return view.astype(np.uint8)


def slice_of_a_chest(rng: np.random.Generator) -> Image:
    """A grey ellipse with two dark holes, black around it."""
    y, x = np.mgrid[:224, :224]
    wide, high = rng.uniform(80, 105), rng.uniform(55, 80)
    view = np.where(((x - 112) / wide) ** 2 + ((y - 112) / high) ** 2 < 1, rng.uniform(100, 180), 0)
    for side in (-1, 1):
        view[np.hypot(y - 112, x - 112 - side * wide / 2) < high / 2] = 10
    return np.repeat(view[..., np.newaxis], 3, axis=2).astype(np.uint8)


def taught(pictures: int) -> Foresight:
    rng, foresight = np.random.default_rng(0), Foresight(LABELS)
    for _ in range(pictures):
        foresight.learn(lesion(rng), "skin")
        foresight.learn(slice_of_a_chest(rng), "ct")
    return foresight


def test_who_has_seen_nothing_expects_nothing() -> None:
    assert Foresight(LABELS).expect(lesion(np.random.default_rng(1))) is None


def test_what_looks_like_before_is_expected_to_be_named_as_before() -> None:
    foresight, rng = taught(20), np.random.default_rng(1)
    assert [foresight.expect(lesion(rng)) for _ in range(10)] == ["skin"] * 10
    assert [foresight.expect(slice_of_a_chest(rng)) for _ in range(10)] == ["ct"] * 10


def test_where_the_same_is_named_one_way_and_the_other_nothing_is_expected() -> None:
    rng, foresight = np.random.default_rng(0), Foresight(LABELS)
    for _ in range(40):
        foresight.learn(lesion(rng), "skin")
        foresight.learn(lesion(rng), "xray")
    assert foresight.expect(lesion(rng)) is None


def test_it_follows_when_what_comes_changes() -> None:
    foresight, rng = taught(10), np.random.default_rng(2)
    for _ in range(60):
        foresight.learn(lesion(rng), "xray")
    assert foresight.expect(lesion(rng)) == "xray"


def test_a_black_picture_is_no_trouble() -> None:
    foresight, black = Foresight(LABELS), np.zeros((224, 224, 3), np.uint8)
    foresight.learn(black, "ct")
    assert foresight.expect(black) in {None, "ct"}
