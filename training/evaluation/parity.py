"""`python -m training.evaluation.parity`: does the exported model answer as the Keras model that it came from?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.images.decoding import decode_image
from shared.images.recipes import build_recipe
from shared.images.views import standard_view
from shared.modalities import load_registry
from shared.models.sessions import open_session
from training.datasets.manifest import read_manifest

REPOSITORY = Path(__file__).parent.parent.parent


def compare(name: str, paths: Sequence[Path], keras_folder: Path, litert_folder: Path) -> tuple[float, float]:
    """Smallest cosine of the two answers, and the share of pictures whose top-1 (largest output, or nearest other
    picture) is the same."""
    registry = load_registry()
    prepare = build_recipe(registry[name].recipe) if name in registry.names else standard_view
    views = np.stack([standard_view(prepare(decode_image(path.read_bytes()).pixels)) for path in paths])
    ours, theirs = open_session(litert_folder).run(views), open_session(keras_folder, "tensorflow").run(views)
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    if name not in registry.names:
        return float(cosines.min()), float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    nearest = [(answers @ answers.T - 2 * np.eye(len(answers))).argmax(axis=1) for answers in (ours, theirs)]
    return float(cosines.min()), float(np.mean(nearest[0] == nearest[1]))


def main(arguments: list[str] | None = None) -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.parity", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="where training left model.keras")
    parser.add_argument("--pictures", type=int, default=200)
    options = parser.parse_args(arguments)
    rows = [row for row in read_manifest(options.data) if row.split == "test"]
    for name in ("compa", *load_registry().names):
        own = sorted({row.path for row in rows if name in {row.modality, "compa"}})
        drawn = np.random.default_rng(0).permutation(own)[: options.pictures]
        paths = [options.data / str(path) for path in drawn]
        cosine, agreement = compare(name, paths, options.runs / name, REPOSITORY / f"{name}-service")
        print(f"{name}: {len(paths)} pictures, smallest cosine {cosine:.5f}, same top-1 {agreement:.1%}")  # noqa: T201


if __name__ == "__main__":
    main()
