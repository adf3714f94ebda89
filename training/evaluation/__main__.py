"""`make evaluate DATA=<bundle>`: measure the exported models, their controls and the baselines on a split.

Progress bars show what is being done. An interrupted run continues the slowest part, SIFT + RANSAC, where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.modalities import load_registry
from shared.models.manifest import MODEL_FILE
from training.data.bundle_manifest import Row, read_manifest
from training.evaluation.classifier_evaluation import evaluate_compa
from training.evaluation.evaluation_page import report_text
from training.evaluation.measure import Folders, ModalityEvaluation
from training.evaluation.protocol import derive_tracks, read_tracks
from training.evaluation.report_tables import Json
from training.evaluation.track_plots import plot_overview

REPOSITORY = Path(__file__).parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Return 0, 130 if interrupted, or 2 with a sentence about the data, the models or the weights."""
    options = _parser().parse_args(arguments)
    try:
        rows = _rows(options)
        options.out.mkdir(parents=True, exist_ok=True)
        _write(_evaluate(rows, options), options.out)
    except ValueError as error:
        print(f"evaluation: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("evaluation: interrupted; the same command continues SIFT + RANSAC where it was", file=sys.stderr)  # noqa: T201
        return 130
    print(f"wrote {options.out / 'report.md'}")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--split", default="test", choices=("test", "train"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the report")
    parser.add_argument("--modality", action="append", choices=load_registry().names, help="default: all, and COMPA")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of the baselines (default: beside the data)")
    parser.add_argument("--models", type=Path, default=REPOSITORY, help="folder with the <modality>-service folders")
    parser.add_argument(
        "--without-baselines", action="store_true", help="only the shipped models, their control and raw pixels"
    )
    return parser


def _rows(options: argparse.Namespace) -> Sequence[Row]:
    """Read the manifest; derive one track per modality if it names none."""
    rows = read_manifest(options.data)
    derived = derive_tracks(rows)
    tracks = sorted({row.track for row, known in zip(derived, rows, strict=True) if row.track != known.track})
    if tracks:
        print(f"The manifest names no tracks for {', '.join(tracks)}: all rows of a modality are one track.")  # noqa: T201
    return derived


def _evaluate(rows: Sequence[Row], options: argparse.Namespace) -> Json:
    registry, models, figures, compa = load_registry(), {}, [], None
    tracks = {name: read_tracks(rows, options.split, [name]) for name in options.modality or registry.names}
    if not any(tracks.values()):
        raise ValueError(
            f"no track of split={options.split} has rows of the roles gallery and query:"
            " add some, or name another split"
        )
    folders = Folders(options.data, options.models, _weights(options), options.out)
    for name, own in tracks.items():
        if own:
            evaluation = ModalityEvaluation(registry[name], rows, folders)
            figures += [evaluation.measure(track) for track in own]
            models[name] = evaluation.facts
    if not options.modality and (options.models / "compa-service" / MODEL_FILE).is_file():
        compa = evaluate_compa(options.models / "compa-service", options.data, rows, options.split)
    return {"split": options.split, "models": models, "compa": compa, "tracks": figures}


def _write(figures: Json, out: Path) -> None:
    """Write `report.json`, and from it `overview.png` and `report.md`."""
    text = json.dumps(figures, indent=1)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    report = json.loads(text)
    plot_overview(report["tracks"], out)
    (out / "report.md").write_text(report_text(report), encoding="utf-8")


def _weights(options: argparse.Namespace) -> Path | None:
    """Return the folder of the baselines' weights, None without baselines. Random weights would be no baseline."""
    if options.without_baselines:
        return None
    weights: Path = options.weights or options.data.parent / "weights"
    if not weights.is_dir():
        raise ValueError(
            f"the baselines need ImageNet weights, and there is no folder {weights}:"
            " name it (make evaluate WEIGHTS=<folder>), or leave the baselines out (BASELINES=0)"
        )
    return weights


if __name__ == "__main__":
    sys.exit(main())
