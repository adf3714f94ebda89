"""`CARD.md`: what a model is, what it was trained on, and what it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shared.models.manifest import COHORT_FILE, MODEL_FILE, ModelManifest
from training.data.bundle_manifest import Row

CARD_FILE = "CARD.md"
COHORT_NOTE = "embeddings of training pictures, without names; to be kept as the pictures are"

BY_CHECKPOINT = """
## Data

Pictures of `split=train` only. Validation subjects (cut by a hash of the subject code) chose the checkpoint and fitted
the calibration. Nothing of `split=test` was used.
"""

BY_FOLDS = """
## Data

Pictures of `split=train` only. The network is fitted to all their subjects, and no checkpoint was chosen. The
calibration is fitted by folds: a network that was fitted to two thirds of the subjects judged the other third. A hash
of the subject code makes the thirds. Nothing of `split=test` was used.
"""

OF_MODALITIES = """
## Data

Pictures of `split=train` only, and of the collections named with their packages. The validation part set the
temperature of the probabilities and the threshold of refusal. It is cut by a hash of the subject code, or of the path
if there is no code. Of a large collection it is every seventh picture. It chose no checkpoint, and nothing of
`split=test` was used.
"""

TEST_FIGURES = (
    "\nFigures on the test split, with protocol, baselines and intervals: `make evaluate`"
    " (see `docs/explanation/evaluation.md`).\n"
)

IDENTIFYING = """\
## Intended use

To propose the patient of an image, among patients that a hospital has enrolled. A person checks the proposal if a
wrong answer would matter. It is not a medical device, makes no diagnosis and proves no identity. Do not use it to find
out who a person in a published or anonymised picture is.

## Limits

Few subjects, few sites, few scanners: figures on other hospitals' images will differ. Measure them
(`make evaluate DATA=...`) before you rely on an answer. Confidence is calibrated on the subjects named above, not on
yours.
"""

TELLING_MODALITIES = """\
## Intended use

To find the modality of an image, so that it goes to the service of that modality, and to refuse other images. It says
nothing about the person. It is not a medical device and makes no diagnosis.

## Limits

Few sites, few scanners: figures on other hospitals' images will differ. Measure them (`make evaluate DATA=...`) before
you rely on an answer. The threshold of refusal is set on the validation pictures named above, not on yours. Foreign
pictures unlike all that are named there may pass.
"""


def card(manifest: ModelManifest, size: int, rows: Sequence[Row], figures: Mapping[str, Any]) -> str:
    """Return the text of the card. `size` is that of the model file in bytes; `rows` were used for training."""
    parts = [
        f"# Model card: {manifest.name}\n",
        f"- kind: {manifest.kind}, trunk `{manifest.trunk}`, output of {manifest.output_size} numbers",
        f"- file: `{MODEL_FILE}`, {size / 1e6:.1f} MB, `{manifest.digest}`",
        *([f"- cohort: `{COHORT_FILE}`, {COHORT_NOTE}"] if manifest.cohort else []),
        f"- made by: `make train MODALITY={manifest.name} DATA=<bundle>`, seed {manifest.training['seed']}",
        _learned(manifest),
        _data_table(rows),
        "\n## Figures on the validation subjects\n",
        figures_table(figures),
        TEST_FIGURES,
        TELLING_MODALITIES if manifest.kind == "classifier" else IDENTIFYING,
    ]
    return "\n".join(parts)


def _learned(manifest: ModelManifest) -> str:
    """Return what the validation part was for, which depends on the kind of training."""
    if manifest.kind == "classifier":
        return OF_MODALITIES
    configuration = manifest.training["configuration"]  # with `epochs` in models of earlier versions
    return BY_CHECKPOINT if configuration.get("epochs") or configuration.get("finetune") else BY_FOLDS


def _data_table(rows: Sequence[Row]) -> str:
    pictures = Counter((r.source, r.licence or "not stated") for r in rows)
    subjects = Counter(source for source, _ in {(r.source, r.subject) for r in rows if r.subject})
    lines = [f"| {s} | {n} | {subjects[s]} | {licence} |" for (s, licence), n in sorted(pictures.items())]
    return "\n".join(["| source | pictures | subjects | licence of the data |", "|---|---|---|---|", *lines])


def figures_table(figures: Mapping[str, Any]) -> str:
    """Return names and values as a Markdown table, fractions with three digits."""
    lines = [
        f"| {name} | {value:.3f} |" if isinstance(value, float) else f"| {name} | {value} |"
        for name, value in figures.items()
    ]
    return "\n".join(["| figure | value |", "|---|---|", *lines])
