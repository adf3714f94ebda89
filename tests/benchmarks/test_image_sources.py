from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.image_sources import in_turn, sources, subjects


def test_the_samples_have_pictures_to_send_and_to_enrol() -> None:
    found = sources(None)
    assert {"ct", "mri", "fundus", "skin"} <= set(found)
    assert all(source.sent and source.enrolled for name, source in found.items() if name != "xray")


def test_modalities_take_turns_for_as_long_as_all_have_pictures() -> None:
    a, b, c, d, e = (Path(name) for name in "abcde")
    assert in_turn([[a, b], [c, d, e]]) == [a, c, b, d]


def test_further_patients_are_different_people() -> None:
    source = sources(None)["skin"]
    one_each = len({subject for subject, _ in source.enrolled})
    images = list(islice(subjects(source, one_each + 2), one_each + 2))
    assert len(images) == one_each + 2
    assert np.abs(images[0].astype(int) - images[one_each].astype(int)).mean() > 3
