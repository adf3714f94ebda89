"""The bundle of the evaluation tests."""

from tests.training.evaluation.conftest import bundle, models, weights

__all__ = ["bundle", "models", "weights"]
