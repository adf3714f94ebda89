"""The evaluation protocol: tracks, figures with intervals, baselines, report (see docs/evaluation.md)."""
