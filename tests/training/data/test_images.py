from pathlib import Path

import pytest

from training.data.bundle_manifest import read_manifest
from training.data.images import load_pictures


def test_a_broken_image_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,modality,subject,split,role\na.jpg,ct,p1,train,train\n")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(ValueError, match=r"line 2: Unreadable image\. Replace the image"):
        load_pictures(tmp_path, read_manifest(tmp_path))
