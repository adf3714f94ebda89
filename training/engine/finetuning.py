"""A trunk tuned on the training patients before a discriminant reads it.

Trained to the end, a network of few patients learns them by heart: it finds fewer validation subjects than a
discriminant of the pretrained trunk. But its trunk has learned what patients differ in. So trunk and head are trained
together, with the patients' class directions and the metric loss, at one slow rate; the head is thrown away, and the
discriminant is fitted anew to what the trunk says now. Of a long training half of the way is better than all of it
(WiSE-FT: Wortsman et al., CVPR 2022). Whoever is judged must be unknown to the trunk, so there is one for every fold
and one for what ships (`training/frozen.py`).
"""

from __future__ import annotations

from pathlib import Path

import keras

from training.data.dataset import Data
from training.engine.configuration import IdentifierConfiguration, TuningConfiguration
from training.engine.embedding import optimiser, start_learner
from training.networks.backbones import freeze_batch_normalisation

TRUNK_FILE = "trunk.weights.h5"
MEANT = 4
"""Pictures of a patient whose mean is its direction at the start."""


def tune(
    network: keras.Model, trunk: keras.Model, data: Data, configuration: IdentifierConfiguration, run: Path
) -> None:
    """Tune the trunk of `network`, whose head is a discriminant of the pretrained trunk and of no use afterwards.

    `run` is a folder for checkpoints and the outcome: a run that was cut off goes on from its last epoch, and one that
    has come to its end is read.
    """
    tuning, outcome = configuration.tuning, run / TRUNK_FILE
    if tuning is None:
        raise ValueError("the configuration has no [tuning]")
    if not outcome.is_file():
        run.mkdir(parents=True, exist_ok=True)
        start = trunk.get_weights()
        freeze_batch_normalisation(trunk)
        _train(network, data, lesson(configuration, tuning), run)
        pairs = zip(start, trunk.get_weights(), strict=True)
        trunk.set_weights([(1 - tuning.kept) * a + tuning.kept * b for a, b in pairs])
        trunk.save_weights(outcome)
    trunk.load_weights(outcome)


def lesson(configuration: IdentifierConfiguration, tuning: TuningConfiguration) -> IdentifierConfiguration:
    """The configuration of a training that does what `tuning` says."""
    said = {name: getattr(tuning, name) for name in TuningConfiguration.model_fields.keys() - {"kept"}}
    return configuration.model_copy(update=said)


def _train(network: keras.Model, data: Data, configuration: IdentifierConfiguration, run: Path) -> None:
    learner, batches = start_learner(network, data, configuration, most=MEANT)
    learner.compile(optimizer=optimiser(configuration, network))
    learner.fit(
        batches,
        epochs=configuration.epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.CSVLogger(run / "log.csv", append=True),
            keras.callbacks.BackupAndRestore(run / "backup", delete_checkpoint=False),
        ],
    )
