from pathlib import Path

import cv2
import numpy as np

from training.data.out_of_domain.collections import (
    Collection,
    collected_rows,
    cropped,
    load_collections,
    read_collections,
)


def collection(files: tuple[str, ...] = ("*.png",), limit: int = 250) -> Collection:
    return Collection(name="cats", kind="debian", package="cats", files=files, licence="CC0", limit=limit)


def test_every_collection_has_a_name_of_its_own_and_a_licence() -> None:
    collections = read_collections()
    assert len({c.name for c in collections}) == len(collections)
    assert all(c.licence and c.files for c in collections)


def test_installed_collections_are_there_without_fetching(tmp_path: Path) -> None:
    loaded = load_collections(tmp_path)
    assert set(loaded) == {c.name for c in read_collections() if c.kind == "installed"}
    pictures = [picture for family in loaded.values() for picture in family]
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 and max(p.shape) <= 512 for p in pictures)


def test_the_card_names_every_picture_that_is_there(tmp_path: Path) -> None:
    rows = collected_rows(tmp_path)
    assert {row.modality for row in rows} == {"other"}
    assert "scikit_image (skimage)" in {row.source for row in rows}
    assert all(row.licence for row in rows)


def test_at_most_limit_pictures_are_taken_evenly(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for number in range(9):
        cv2.imwrite(str(tmp_path / "cats" / f"{number}.png"), np.zeros((4, 4), np.uint8))
    assert [path.stem for path in collection(limit=3).paths(tmp_path)] == ["0", "4", "8"]
    assert len(collection(("*.png", "1.*")).paths(tmp_path)) == 9
    assert collection(("*.jpg",)).paths(tmp_path) == []


def test_a_crop_is_a_part_of_the_picture() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[..., 0] = 250
    crops = [cropped(picture, np.random.default_rng(seed)) for seed in range(20)]
    assert {crop.shape for crop in crops} == {(256, 256, 3)}
    assert all(sorted(crop[9, 9].tolist()) == [0, 0, 250] for crop in crops)
