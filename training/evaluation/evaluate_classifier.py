"""`python -m training.evaluation.evaluate_classifier --data BUNDLE`: evaluate COMPA on validation pictures.

Prints what the card does: accuracy and shares refused, as they are and after each corruption of
`training.data.corruptions`, applied to every picture.
`--model` names another folder than the service's own: an older model, to be compared on the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, Rejection
from shared.models.manifest import read_manifest as read_model
from shared.models.protocols import ModelSession
from training.data.bundle_manifest import read_manifest
from training.data.corruptions import MISHAPS
from training.data.labelled_images import Drawn
from training.data.subtypes import subtype_targets
from training.engine.classifier import answers_of
from training.engine.configuration import ClassifierConfiguration, read_configuration
from training.engine.feature_cache import Lessons
from training.engine.run import COMPA, Bundle, drawn_pictures
from training.evaluation.classifier_metrics import Figures, rejection_figures, subtype_figures
from training.export.model_card import figures_table

SERVICE = Path(__file__).parent.parent / f"{COMPA}-service"


def try_model(
    session: ModelSession, model: ModelManifest, pictures: Iterable[Drawn], configuration: ClassifierConfiguration
) -> Figures:
    """The figures of the card, by the exported network and the model's own threshold."""
    shown, rows = [], []
    for picture in pictures:
        rows.append(session.run(picture.view[np.newaxis])[0])
        shown.append(picture)
    answers = answers_of(np.stack(rows), model.labels, model.subtypes)
    seen = _as_lessons(shown, model.labels, configuration)
    rejection = model.rejection or Rejection()
    figures = rejection_figures(answers["probabilities"], seen, rejection, configuration.held_out)
    return figures | subtype_figures(answers, seen, model.subtypes)


def _as_lessons(shown: Sequence[Drawn], labels: Sequence[str], configuration: ClassifierConfiguration) -> Lessons:
    return Lessons(
        np.zeros((len(shown), 0), np.float32),
        np.array([picture.label for picture in shown], np.intp),
        subtype_targets(shown, labels, configuration.subtypes),
        tuple(picture.source for picture in shown),
        tuple(picture.mishap for picture in shown),
    )


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.evaluate_classifier", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--model", type=Path, default=SERVICE, help="model folder (default: the service's own)")
    options = parser.parse_args(arguments)
    configuration = read_configuration(SERVICE)
    if not isinstance(configuration, ClassifierConfiguration):
        raise TypeError(f"{SERVICE.name}/ is not configured as a classifier")
    configuration = configuration.model_copy(update={"validation_mishaps": len(MISHAPS)})
    bundle = Bundle(options.data, read_manifest(options.data), None)
    pictures = drawn_pictures(bundle, configuration)
    model, session = read_model(options.model), LiteRTSession(options.model)
    print(figures_table(try_model(session, model, pictures.validation(), configuration)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
