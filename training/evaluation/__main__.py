"""`python -m training.evaluation --data BUNDLE --out DIR`: the protocol with the exported models and the baselines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.modalities import Modality, Registry, load_registry
from shared.models.folder import MODEL_FILE, ModelManifest
from training.datasets.manifest import Row, read_manifest
from training.evaluation.baselines import FrozenFeatures, KeypointScorer, WhitenedFeatures
from training.evaluation.compa import evaluate_compa
from training.evaluation.controls import BackgroundOnly
from training.evaluation.decisions import CalibratedPosterior, Decisions, decisions
from training.evaluation.metrics import Scores, identification, open_set, verification
from training.evaluation.plots import failure_gallery, plot_track
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.report import MethodResult, Report, TrackResult
from training.evaluation.scorers import RawPixels, Scorer, ShippedModel, Similarities

REPOSITORY = Path(__file__).parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    """0, or 2 with a sentence on what is wrong with the data or the models."""
    options = _parser().parse_args(arguments)
    try:
        rows = read_manifest(options.data)
        options.out.mkdir(parents=True, exist_ok=True)
        _evaluate(rows, options).write(options.out)
    except ValueError as error:
        print(f"evaluation: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"wrote {options.out / 'report.md'}")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--split", default="test", choices=("test", "train"))
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--modality", action="append", choices=load_registry().names, help="default: all, and COMPA")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of the baselines (default: beside the data)")
    parser.add_argument("--models", type=Path, default=REPOSITORY, help="folder with the <modality>-service folders")
    parser.add_argument(
        "--without-baselines", action="store_true", help="only the shipped models, their control and raw pixels"
    )
    return parser


def _evaluate(rows: Sequence[Row], options: argparse.Namespace) -> Report:
    registry = load_registry()
    report = Report(options.split)
    for name in options.modality or registry.names:
        tracks = read_tracks(rows, options.split, [name])
        if tracks:
            _evaluate_modality(name, registry, tracks, rows, options, report)
    if not report.tracks:
        raise ValueError(f"no track of split={options.split} has rows of the roles gallery and query")
    if not options.modality and (options.models / "compa-service" / MODEL_FILE).is_file():
        report.compa = evaluate_compa(options.models / "compa-service", options.data, rows, options.split)
    return report


def _evaluate_modality(
    name: str,
    registry: Registry,
    tracks: Sequence[Track],
    rows: Sequence[Row],
    options: argparse.Namespace,
    report: Report,
) -> None:
    folder = options.models / f"{name}-service"
    ours = ShippedModel(folder, registry[name], options.data)
    control = BackgroundOnly(ours, options.data)
    scorers: list[Scorer] = [ours, control, RawPixels(options.data)]
    if not options.without_baselines:
        train = [row for row in rows if row.modality == name and row.split == "train" and row.role == "train"]
        scorers += _baselines(ours.manifest.trunk, train, options)
    for track in tracks:
        similarities = {scorer.name: scorer.similarities(track) for scorer in scorers}
        scored = {method: _scores(track, values) for method, values in similarities.items()}
        methods = [
            replace(
                _measure(method, scores),
                decisions=_decisions(scores, ours.manifest, registry[name]) if method == ours.name else None,
                control=method == control.name,
            )
            for method, scores in scored.items()
        ]
        report.tracks.append(TrackResult(track, methods))
        plot_track(track, scored, methods[0].decisions, options.out)
        failure_gallery(track, similarities[ours.name], scored[ours.name], options.data, options.out)
    report.models[name] = _model_facts(ours, folder)


def _baselines(trunk: str, train: Sequence[Row], options: argparse.Namespace) -> list[Scorer]:
    weights = options.weights or options.data.parent / "weights"
    if not weights.is_dir():  # random weights must not pass for a baseline
        raise ValueError("the baselines need ImageNet weights: name their folder (--weights), or --without-baselines")
    found: list[Scorer] = []
    for part in trunk.split("+"):
        frozen = FrozenFeatures(part, weights, options.data)
        found += [frozen, WhitenedFeatures(frozen, train, options.data)] if train else [frozen]
    return [*found, KeypointScorer(options.data, options.out / "keypoints")]


def _scores(track: Track, similarities: Similarities) -> Scores:
    best = track.best_per_subject(similarities)
    count = len(track.queries)
    return Scores(
        best[:count],
        best[count:],
        track.truth,
        [row.subject for row in track.queries],
        [row.subject for row in track.impostors],
    )


def _measure(method: str, scores: Scores) -> MethodResult:
    return MethodResult(
        method=method,
        identification=identification(scores),
        verification=verification(scores),
        fnir5=open_set(scores, 0.05),
        fnir1=open_set(scores, 0.01),
    )


def _decisions(scores: Scores, manifest: ModelManifest, modality: Modality) -> Decisions | None:
    if manifest.calibration is None:
        return None
    return decisions(scores, CalibratedPosterior(manifest.calibration), modality.threshold)


def _model_facts(ours: ShippedModel, folder: Path) -> dict[str, Any]:
    return {
        "trunk": ours.manifest.trunk,
        "digest": ours.manifest.digest,
        "megabytes": (folder / MODEL_FILE).stat().st_size / 1e6,
        "milliseconds": float(np.median(ours.milliseconds)),
    }


if __name__ == "__main__":
    sys.exit(main())
