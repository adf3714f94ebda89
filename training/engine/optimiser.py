"""AdamW with two learning rates: a small one for the pretrained backbone, the full one for the new head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class TwoSpeedAdamW(keras.optimizers.AdamW):
    """AdamW with `factor` times the learning rate on the variables of `slow`."""

    def __init__(self, learning_rate: Any, slow: keras.Model, factor: float, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self._slow_paths, self._factor = frozenset(v.path for v in slow.trainable_variables), factor

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Note the indices of slow variables: backends pass variables of their own to `update_step`."""
        super().build(variables)
        self._slow = frozenset(i for i, variable in enumerate(variables) if variable.path in self._slow_paths)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; Keras calls it for each."""
        slow = self._get_variable_index(variable) in self._slow
        super().update_step(gradient, variable, learning_rate * self._factor if slow else learning_rate)
