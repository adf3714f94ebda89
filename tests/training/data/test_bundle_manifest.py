from pathlib import Path

import pytest

from training.data.bundle_manifest import read_manifest

HEADER = "path,modality,source,subject,acquisition,track,split,role,identity,licence\n"


def write(root: Path, *lines: str) -> Path:
    (root / "manifest.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return root


def test_rows_carry_every_column(tmp_path: Path) -> None:
    (row,) = read_manifest(write(tmp_path, "a.jpg,ct,s,p1,scan 1,t,train,train,true,CC0"))
    assert (row.path, row.subject, row.track, row.licence) == ("a.jpg", "p1", "t", "CC0")


def test_a_users_manifest_may_leave_the_optional_columns_out(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,modality,subject,split,role\na.jpg,ct,p1,train,train\n")
    (row,) = read_manifest(tmp_path)
    assert row.source == ""


def test_an_unknown_kind_of_track_is_named(tmp_path: Path) -> None:
    header = "path,modality,subject,split,role,kind\n"
    (tmp_path / "manifest.csv").write_text(f"{header}a.jpg,ct,p1,test,query,same scan\nb.jpg,ct,p1,test,query,same\n")
    with pytest.raises(ValueError, match=r"line 3: kind is 'same'. Use one of: same scan, separate acquisitions"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a.jpg,ct,s,p1,,t,training,train,,", "line 2: split is 'training'"),
        ("a.jpg,ct,s,p1,,t,train,probe,,", "line 2: role is 'probe'"),
        (",ct,s,p1,,t,train,train,,", "line 2: path and modality must not be empty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_manifest(write(tmp_path, line))


def test_a_missing_manifest_says_what_data_must_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DATA must name a folder"):
        read_manifest(tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,modality\n")
    with pytest.raises(ValueError, match="lacks the columns: subject, split, role"):
        read_manifest(tmp_path)


def test_a_subject_on_both_sides_is_refused(tmp_path: Path) -> None:
    lines = ("a.jpg,ct,s,p1,,t,train,train,,", "b.jpg,ct,s,p1,,t,test,query,,")
    with pytest.raises(ValueError, match=r"1 subjects are in both train and test \(one in line 2\)"):
        read_manifest(write(tmp_path, *lines))
