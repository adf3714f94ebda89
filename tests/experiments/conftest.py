"""The tiny bundle of the training tests."""

from tests.training.conftest import bundle, data

__all__ = ["bundle", "data"]
