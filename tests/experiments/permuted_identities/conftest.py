"""The bundle of the evaluation tests."""

from tests.training.evaluation.conftest import bundle, weights

__all__ = ["bundle", "weights"]
