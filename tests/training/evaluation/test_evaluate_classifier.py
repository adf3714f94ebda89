"""An exported COMPA on validation pictures, with a network that looks at the brightness alone."""

import numpy as np
import pytest

from shared.models.manifest import Golden, ModelManifest, Rejection
from shared.models.protocols import NetworkInput
from training.data.labelled_images import CLEAN, Drawn
from training.engine.configuration import ClassifierConfiguration
from training.evaluation.evaluate_classifier import try_model

MODEL = ModelManifest(
    kind="classifier",
    name="compa",
    digest="sha256:" + "0" * 64,
    labels=("ct", "mri", "other"),
    subtypes={"mri": ("flair", "post")},
    output_size=5,
    trunk="mobilenet_v2",
    rejection=Rejection(threshold=0.5),
    golden=Golden(output=(0.0,) * 5),
    training={},
)
CONFIGURATION = ClassifierConfiguration(
    kind="classifier",
    trunk="mobilenet_v2",
    held_out=("cats",),
    subtypes={"mri": {"flair": "flair", "post": "post"}},
)


class ByBrightness:
    """Dark is CT, bright is MRI after contrast medium, white is foreign."""

    digest, output_size = MODEL.digest, 5

    def run(self, images: NetworkInput) -> np.ndarray:
        label = int(images[0, 0, 0, 0]) // 100
        return np.concatenate([np.eye(3)[label], [0.1, 0.9]]).astype(np.float32)[np.newaxis]

    def close(self) -> None: ...


def drawn(grey: int, label: int, source: str, mishap: str = CLEAN, acquisition: str = "") -> Drawn:
    return Drawn(
        np.full((224, 224, 3), grey, np.uint8), label, source, acquisition, upright=mishap == CLEAN, mishap=mishap
    )


def test_a_model_is_judged_as_the_card_judges_it() -> None:
    pictures = [
        drawn(50, 0, "scans"),
        drawn(150, 1, "brains", acquisition="series 1, post"),
        drawn(250, 2, "cats"),
        drawn(250, 2, "dogs"),
        drawn(150, 0, "scans", "inverted"),
        drawn(250, 1, "brains", "inverted"),
    ]
    figures = try_model(ByBrightness(), MODEL, pictures, CONFIGURATION)
    assert figures["accuracy over the modalities"] == 1.0
    assert figures["good pictures refused"] == 0.0
    assert figures["accuracy, inverted"] == pytest.approx(0.0)
    assert figures["good pictures refused, inverted"] == pytest.approx(0.5)
    assert str(figures["sub-type of mri (flair, post)"]).startswith("1.000")
