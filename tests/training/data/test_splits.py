from training.data.bundle_manifest import Row
from training.data.splits import is_validation, neighbouring_slices, series_and_position, validation_protocols


def row(subject: str, acquisition: str, track: str = "t") -> Row:
    return Row(f"{subject}/{acquisition}", "ct", "s", subject, acquisition, track, "train", "train")


def test_about_the_asked_share_of_subjects_is_validation() -> None:
    share = sum(is_validation(f"p{i}", 0.2) for i in range(5000)) / 5000
    assert 0.18 < share < 0.22


def test_a_larger_share_keeps_the_subjects_of_a_smaller_one() -> None:
    small = {i for i in range(500) if is_validation(f"p{i}", 0.1)}
    assert small <= {i for i in range(500) if is_validation(f"p{i}", 0.3)}


def test_slices_are_told_from_acquisitions() -> None:
    assert series_and_position(row("p", "session 1, flair, axial position 09 of 16")) == ("session 1, flair", 9)
    assert series_and_position(row("p", "left eye")) == ("left eye", 0)


def test_the_first_acquisition_is_enrolled() -> None:
    (protocol,) = validation_protocols([row("p", "day 3"), row("p", "day 0"), row("q", "day 0")])
    assert [r.path for r in protocol.gallery] == ["p/day 0", "q/day 0"]
    assert [r.path for r in protocol.queries] == ["p/day 3"]


def test_a_second_series_is_queried_at_other_levels() -> None:
    rows = [row("p", f"{s}, axial position {i:02} of 16") for s in ("flair", "post") for i in range(16)]
    (protocol,) = validation_protocols(rows)
    assert [series_and_position(r) for r in protocol.gallery] == [("flair", 0), ("flair", 8)]
    assert [series_and_position(r) for r in protocol.queries] == [("post", i) for i in (2, 6, 10, 14)]


def test_a_single_scan_is_queried_between_enrolled_slices() -> None:
    rows = [row("p", f"scan 1, axial position {i:02} of 32") for i in range(32)]
    (protocol,) = validation_protocols(rows)
    assert [series_and_position(r)[1] for r in protocol.gallery] == [0, 8, 16, 24]
    assert [series_and_position(r)[1] for r in protocol.queries] == [4, 12, 20, 28]


def test_people_with_a_single_image_are_enrolled_outsiders() -> None:
    (protocol,) = validation_protocols([row("a", "visit 1"), row("a", "visit 2"), row("b", "visit 1")])
    assert {r.subject for r in protocol.gallery} == {"a", "b"}
    assert [r.subject for r in protocol.outsiders] == ["b"]
    assert [r.subject for r in protocol.drawn([0], []).queries] == ["a"]
    assert not protocol.drawn([0], []).outsiders


def test_a_track_without_repeats_is_no_protocol() -> None:
    assert validation_protocols([row("p", "day 0"), row("q", "day 0")]) == []


def test_neighbouring_slices_of_the_first_series_are_asked_for() -> None:
    rows = [
        Row(
            f"{who}-{series}-{i}.png", "mri", "s", who, f"{series}, axial position {i:02d} of 16", "t", "train", "train"
        )
        for who in ("p1", "p2")
        for series in ("flair", "post")
        for i in range(16)
    ]
    probes = neighbouring_slices([*rows, row("p3", "day 1")])
    assert {series_and_position(r) for r in probes.gallery} == {("flair", i) for i in range(0, 16, 2)}
    assert {series_and_position(r) for r in probes.queries} == {("flair", i) for i in (1, 5, 9, 13)}
    assert {r.subject for r in probes.gallery} == {"p1", "p2"}
