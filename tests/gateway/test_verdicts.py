"""What is said of the modality of a probe of several images."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.pipeline import Prepared, joint_verdict
from shared.contracts.public import DIGEST, ModalityVerdict, Subtype
from shared.modalities import load_registry

FLAIR, T1 = Subtype(name="flair", confidence=0.9), Subtype(name="t1", confidence=0.7)


def prepared(subtype: Subtype | None) -> Prepared:
    verdict = ModalityVerdict(
        label="mri", confidence=1.0, source="compa", probabilities={}, conflict=False, subtype=subtype
    )
    return Prepared(0, load_registry()["mri"], verdict, np.zeros((1, 1, 3), np.uint8), DIGEST)


def test_images_of_one_sub_type_have_it_together() -> None:
    less_sure = FLAIR.model_copy(update={"confidence": 0.5})
    together = joint_verdict([prepared(FLAIR), prepared(less_sure)]).subtype
    assert together is not None
    assert together.name == "flair"
    assert together.confidence == pytest.approx(0.7)


@pytest.mark.parametrize("other", [T1, None], ids=["another", "none"])
def test_images_of_several_sub_types_have_none(other: Subtype | None) -> None:
    assert joint_verdict([prepared(FLAIR), prepared(other)]).subtype is None
