"""Random weights under the name of the pretrained ones."""

from tests.training.evaluation.conftest import weights

__all__ = ["weights"]
