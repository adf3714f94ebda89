"""The evaluation protocol: tracks, figures with intervals, baselines, report (see docs/explanation/evaluation.md)."""
