"""Does a head that learns shuffled identities recognise anybody? A control against leaks between splits.

Command: `python -m experiments.permuted_identities --modality xray --data BUNDLE`. A head is trained on frozen
features, once with the true identities of the training pictures and once with shuffled ones.

- On held-out pictures of the same people, the shuffled head must be at chance. More would mean a leak.
- On the test tracks it is not at chance: frozen features recognise by themselves, and a projection keeps some of that.
  It must only be no better than untrained features.

Answer: docs/explanation/evaluation.md, "What the controls mean".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from experiments.command import REPOSITORY, arguments_parser, read_bundle
from shared.modalities import load_registry
from shared.models.manifest import read_manifest as read_model
from training.data.bundle_manifest import Row
from training.engine.losses import CosineSoftmax
from training.evaluation.baselines import FrozenFeatures
from training.evaluation.bootstrap import Interval
from training.evaluation.controls import ChanceTest, chance_test
from training.evaluation.measure import track_scores
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import identification
from training.evaluation.report_tables import percent, table

SEED = 0
DIMENSION = 256
EPOCHS = 60
BATCH = 128
LEARNING_RATE = 3e-3
PICTURES = 2000
"""Most training pictures. Features take about 30 ms each."""

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """Features, float32 (n, d), with identities, int (n,), and one held-out picture of each identity."""

    features: Features
    labels: NDArray[np.int32]
    held_out: Features
    held_out_labels: NDArray[np.int32]

    @property
    def identities(self) -> int:
        """Number of identities."""
        return len(self.held_out_labels)

    def shuffled(self, seed: int) -> Labelled:
        """Permute the labels of the training pictures, and those of the held-out pictures."""
        rng = np.random.default_rng(seed)
        return Labelled(
            self.features, rng.permutation(self.labels), self.held_out, rng.permutation(self.held_out_labels)
        )


class Head:
    """A linear projection to unit length, trained with cosine softmax over the identities."""

    def __init__(self, data: Labelled, seed: int, epochs: int) -> None:
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((data.features.shape[1],))
        outputs = keras.layers.UnitNormalization()(keras.layers.Dense(DIMENSION)(inputs))
        self._projection = keras.Model(inputs, outputs)
        self._softmax = CosineSoftmax(data.identities)
        self._softmax.build((None, DIMENSION))
        labels = keras.Input((), dtype="int32")
        learner = keras.Model([inputs, labels], self._softmax(outputs, labels))
        learner.compile(keras.optimizers.Adam(LEARNING_RATE), loss=_as_it_is, jit_compile=False)
        nothing = np.zeros(len(data.labels), np.float32)
        learner.fit((data.features, data.labels), nothing, BATCH, epochs, verbose=0)

    def embed(self, features: Features) -> Features:
        """Return embeddings, float32 (n, 256), of unit length."""
        return np.asarray(self._projection.predict(features, batch_size=BATCH, verbose=0), np.float32)

    def classify(self, features: Features) -> NDArray[np.intp]:
        """Return the identity with the nearest direction, int (n,)."""
        directions = np.asarray(ops.normalize(self._softmax.directions, axis=-1))
        return np.asarray((self.embed(features) @ directions.T).argmax(axis=1))

    def recognises(self, data: Labelled) -> ChanceTest:
        """Test against chance how many held-out pictures get their label."""
        found = int(np.sum(self.classify(data.held_out) == data.held_out_labels))
        return chance_test(found, data.identities, 1 / data.identities)


def _as_it_is(_: keras.KerasTensor, loss: keras.KerasTensor) -> keras.KerasTensor:
    return loss


def labelled(frozen: FrozenFeatures, rows: Sequence[Row], pictures: int, seed: int) -> Labelled:
    """Return people with two or more pictures, one of them held out; ValueError for fewer than two people."""
    members: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.subject, row.path)):
        members.setdefault(row.subject, []).append(row)
    rng = np.random.default_rng(seed)
    repeated = [own for own in members.values() if len(own) > 1]
    people: list[list[Row]] = []
    for i in rng.permutation(len(repeated)):
        if sum(map(len, people)) + len(repeated[i]) <= pictures:
            people.append([repeated[i][j] for j in rng.permutation(len(repeated[i]))])
    if len(people) < 2:
        raise ValueError("the control needs two people with two training pictures each: add pictures")
    learned = [row for own in people for row in own[1:]]
    labels = np.repeat(np.arange(len(people), dtype=np.int32), [len(own) - 1 for own in people])
    held_out = frozen.embeddings([own[0] for own in people])
    return Labelled(frozen.embeddings(learned), labels, held_out, np.arange(len(people), dtype=np.int32))


def rank1(track: Track, frozen: FrozenFeatures, head: Head | None) -> Interval:
    """Return rank-1 of a test track by the head, or by the features themselves."""
    probes, gallery = frozen.embeddings(track.queries), frozen.embeddings(track.gallery)
    if head is not None:
        probes, gallery = head.embed(probes), head.embed(gallery)
    closed = replace(track, impostors=())
    return identification(track_scores(closed, closed.best_per_subject(probes @ gallery.T)))["rank1"]


def report(frozen: FrozenFeatures, data: Labelled, tracks: Sequence[Track], epochs: int) -> str:
    """Return a markdown table of both heads, the untrained features and chance."""
    permuted = data.shuffled(SEED)
    true, shuffled = Head(data, SEED, epochs), Head(permuted, SEED, epochs)
    test = shuffled.recognises(permuted)
    people = f"held-out pictures of the {data.identities} training people"
    rows = [[people, _held_out(true.recognises(data)), _held_out(test), "-", f"{100 / data.identities:.2f}"]]
    for track in tracks:
        figures = [percent(asdict(rank1(track, frozen, head))) for head in (true, shuffled, None)]
        rows.append([f"{track.name} (test, {track.kind})", *figures, f"{100 / len(track.subjects):.2f}"])
    header = ["rank-1, %", "true identities", "shuffled identities", "untrained features", "chance"]
    verdict = "at chance, as they should be" if test.passed else "NOT at chance"
    return f"{table(header, rows)}\nShuffled, the held-out pictures are {verdict} (p {test.p_value:.2g} above 1.5x)."


def _held_out(test: ChanceTest) -> str:
    return f"{100 * test.found / test.queries:.1f} ({100 * test.low:.1f}-{100 * test.high:.1f})"


def main(arguments: list[str] | None = None) -> int:
    """Print a table for each modality; return 2 with a sentence if data or weights are missing."""
    parser = arguments_parser("permuted_identities", __doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args(arguments)
    try:
        bundle = read_bundle(options)
        for name in options.modality or load_registry().names:
            backbone = read_model(REPOSITORY / f"{name}-service").trunk.split("+")[0]
            frozen = FrozenFeatures(backbone, bundle.weights, bundle.root)
            rows = [row for row in bundle.rows if row.modality == name and row.subject]
            train = [row for row in rows if row.split == "train" and row.role == "train"]
            data = labelled(frozen, train, PICTURES, SEED)
            print(report(frozen, data, read_tracks(rows, "test", [name]), options.epochs))  # noqa: T201
    except ValueError as error:
        print(f"permuted identities: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
