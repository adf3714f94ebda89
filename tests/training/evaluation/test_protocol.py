from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data.bundle_manifest import Row, read_manifest
from training.evaluation.protocol import Track, derive_tracks, read_tracks


def row(subject: str, role: str, *, track: str = "t", split: str = "test", modality: str = "ct") -> Row:
    return Row(f"{subject}-{role}.jpg", modality, "s", subject, "", track, split, role)


ROWS = [
    row("a", "gallery"),
    row("b", "gallery"),
    row("c", "distractor"),
    row("a", "query"),
    row("x", "impostor"),
    row("a", "query"),
    row("y", "train", split="train"),
]


def the_track(rows: list[Row]) -> Track:
    (track,) = read_tracks(rows, "test", ["ct"])
    return track


def test_distractors_are_enrolled_and_every_picture_is_a_probe() -> None:
    track = the_track(ROWS)
    assert track.subjects == ["a", "b", "c"]
    assert [r.subject for r in track.probes] == ["a", "a", "x"]
    assert track.truth.tolist() == [0, 0]


def test_a_subject_is_as_near_as_its_nearest_picture() -> None:
    track = the_track([row("b", "gallery"), row("a", "gallery"), row("b", "gallery"), row("a", "query")])
    np.testing.assert_array_equal(track.best_per_subject(np.array([[0.1, 0.5, 0.7]])), [[0.5, 0.7]])


def test_the_order_of_the_rows_carries_nothing() -> None:
    there, back = the_track(ROWS), the_track(ROWS[::-1])
    assert there.subjects == back.subjects
    assert there.truth.tolist() == back.truth.tolist()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ct-same-scan", "same scan"),
        ("mri-cross-sequence", "same scan"),
        ("ct-cross-figure", "separate acquisitions"),
        ("fundus-same-eye", "separate acquisitions"),
    ],
)
def test_every_track_has_its_kind(name: str, kind: str) -> None:
    assert the_track([replace(r, track=name) for r in ROWS]).kind == kind


def test_a_manifest_may_say_the_kind_itself() -> None:
    assert the_track([replace(r, kind="same scan") for r in ROWS]).kind == "same scan"
    assert the_track([replace(r, track="ct-same-scan", kind="separate acquisitions") for r in ROWS]).kind == (
        "separate acquisitions"
    )


def test_a_track_of_two_kinds_is_an_error_in_the_data() -> None:
    with pytest.raises(ValueError, match="track t: the manifest gives it two kinds"):
        read_tracks(
            [replace(ROWS[0], kind="same scan"), replace(ROWS[1], kind="separate acquisitions"), *ROWS], "test", ["ct"]
        )


def test_a_query_of_a_stranger_is_an_error() -> None:
    with pytest.raises(ValueError, match="track t: 1 subjects have queries but no gallery picture"):
        read_tracks([*ROWS, row("z", "query")], "test", ["ct"])


def test_other_modalities_and_splits_are_left_out() -> None:
    assert read_tracks(ROWS, "test", ["mri"]) == []
    assert read_tracks(ROWS, "train", ["ct"]) == []
    assert read_tracks([replace(r, track="") for r in ROWS], "test", ["ct"]) == []


def test_a_bundle_on_disk_has_its_track(bundle: Path) -> None:
    (track,) = read_tracks(read_manifest(bundle), "test", ["skin"])
    assert (len(track.gallery), len(track.queries), len(track.impostors)) == (6, 12, 3)


def test_rows_without_track_names_are_one_track() -> None:
    unnamed = [replace(r, track="") for r in ROWS]
    (track,) = read_tracks(derive_tracks(unnamed), "test", ["ct"])
    assert (track.name, track.subjects) == ("ct", ["a", "b", "c"])


def test_track_names_of_the_manifest_are_kept() -> None:
    rows = [*ROWS, replace(row("w", "gallery"), track="")]
    assert derive_tracks(rows) == rows
