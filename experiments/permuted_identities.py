"""`python -m experiments.permuted_identities --modality xray --data BUNDLE`: does shuffling undo learning?

A head is trained on frozen features of the trunk, once with the true identities of the training pictures and once with
the same identities shuffled among them, and asked

- whose picture a held-out picture of the same people is (the shuffled head: whom it was labelled with). Nothing but
  chance can answer that with shuffled labels; more means that labels or pictures leak from what was held out;
- the test tracks. Here shuffling does *not* lead to chance: frozen features recognise by themselves, and any projection
  of them keeps some of that. What must hold is that shuffled labels teach nothing: no better than untrained features.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from shared.modalities import load_registry
from shared.models.manifest import read_manifest as read_model
from training.data.bundle_manifest import Row, read_manifest
from training.engine.losses import CosineSoftmax
from training.evaluation.baselines import FrozenFeatures
from training.evaluation.bootstrap import Interval
from training.evaluation.controls import ChanceTest, chance_test
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import Scores, identification
from training.evaluation.report_tables import table

REPOSITORY = Path(__file__).parent.parent.parent
DIMENSION = 256
EPOCHS = 60
BATCH = 128
LEARNING_RATE = 3e-3
PICTURES = 2000
"""Most training pictures: features take some 30 ms each."""

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """Features float32 (n, d) with int (n,) identities, and held-out pictures of the same identities, one of each."""

    features: Features
    labels: NDArray[np.int32]
    held_out: Features
    held_out_labels: NDArray[np.int32]

    @property
    def identities(self) -> int:
        """How many there are."""
        return len(self.held_out_labels)

    def shuffled(self, seed: int) -> Labelled:
        """The same labels, dealt out at random: among what is learned from, and among what is held out."""
        rng = np.random.default_rng(seed)
        return Labelled(
            self.features, rng.permutation(self.labels), self.held_out, rng.permutation(self.held_out_labels)
        )


class Head:
    """A linear projection to unit length, learned by cosine softmax over the identities."""

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
        """float32 (n, 256), of unit length."""
        return np.asarray(self._projection.predict(features, batch_size=BATCH, verbose=0), np.float32)

    def classify(self, features: Features) -> NDArray[np.intp]:
        """The identity whose direction is nearest, int (n,)."""
        directions = np.asarray(ops.normalize(self._softmax.directions, axis=-1))
        return np.asarray((self.embed(features) @ directions.T).argmax(axis=1))

    def recognises(self, data: Labelled) -> ChanceTest:
        """Held-out pictures that get their label, against chance."""
        found = int(np.sum(self.classify(data.held_out) == data.held_out_labels))
        return chance_test(found, data.identities, 1 / data.identities)


def _as_it_is(_: keras.KerasTensor, loss: keras.KerasTensor) -> keras.KerasTensor:
    return loss


def labelled(frozen: FrozenFeatures, rows: Sequence[Row], pictures: int, seed: int) -> Labelled:
    """People with two pictures or more, one of which is held out; ValueError with fewer than two such people."""
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
        raise ValueError("the control needs two people with two training pictures each")
    learned = [row for own in people for row in own[1:]]
    labels = np.repeat(np.arange(len(people), dtype=np.int32), [len(own) - 1 for own in people])
    held_out = frozen.embeddings([own[0] for own in people])
    return Labelled(frozen.embeddings(learned), labels, held_out, np.arange(len(people), dtype=np.int32))


def rank1(track: Track, frozen: FrozenFeatures, head: Head | None) -> Interval:
    """Rank-1 of a test track by the head, or by the features themselves."""
    probes, gallery = frozen.embeddings(track.queries), frozen.embeddings(track.gallery)
    if head is not None:
        probes, gallery = head.embed(probes), head.embed(gallery)
    closed = Track(track.name, track.modality, track.gallery, track.queries, ())
    best = closed.best_per_subject(probes @ gallery.T)
    subjects = [row.subject for row in track.queries]
    return identification(Scores(best, np.empty((0, best.shape[1])), track.truth, subjects, []))["rank1"]


def report(frozen: FrozenFeatures, data: Labelled, tracks: Sequence[Track], seed: int, epochs: int) -> str:
    """Both heads, the untrained features and chance, as markdown."""
    dealt = data.shuffled(seed)
    true, shuffled = Head(data, seed, epochs), Head(dealt, seed, epochs)
    rows = [
        [
            f"held-out pictures of the {data.identities} training people",
            _held_out(true.recognises(data)),
            _held_out(test := shuffled.recognises(dealt)),
            "-",
            f"{100 / data.identities:.2f}",
        ]
    ]
    for track in tracks:
        figures = [_percent(rank1(track, frozen, head)) for head in (true, shuffled, None)]
        rows.append([f"{track.name} (test, {track.kind})", *figures, f"{100 / len(track.subjects):.2f}"])
    header = ["rank-1, %", "true identities", "shuffled identities", "untrained features", "chance"]
    verdict = "at chance, as they should be" if test.passed else "NOT at chance"
    return f"{table(header, rows)}\nShuffled, the held-out pictures are {verdict} (p {test.p_value:.2g} above 1.5x)."


def _held_out(test: ChanceTest) -> str:
    return f"{100 * test.found / test.queries:.1f} ({100 * test.low:.1f}-{100 * test.high:.1f})"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def main(arguments: list[str] | None = None) -> int:
    """Print the table of one modality; 2 with a sentence where data or weights are missing."""
    parser = argparse.ArgumentParser(prog="python -m experiments.permuted_identities", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--modality", required=True, choices=load_registry().names)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of the trunk (default: beside the data)")
    parser.add_argument("--models", type=Path, default=REPOSITORY, help="folder with the <modality>-service folders")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="most training pictures")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        rows = [row for row in read_manifest(options.data) if row.modality == options.modality and row.subject]
        trunk = read_model(options.models / f"{options.modality}-service").trunk.split("+")[0]
        frozen = FrozenFeatures(trunk, options.weights or options.data.parent / "weights", options.data)
        train = [row for row in rows if row.split == "train" and row.role == "train"]
        data = labelled(frozen, train, options.pictures, options.seed)
        tracks = read_tracks(rows, "test", [options.modality])
        print(report(frozen, data, tracks, options.seed, options.epochs))  # noqa: T201
    except ValueError as error:
        print(f"permuted: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
