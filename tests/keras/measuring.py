"""A callback, a hypermodel and histories whose metrics the tests know."""

from __future__ import annotations

from typing import Any

import keras
from keras_tuner import HyperModel, HyperParameters

from tests.keras.models import build_fixed


def history(epochs: list[int] | None = None, **lists: list[Any]) -> keras.callbacks.History:
    made = keras.callbacks.History()
    made.history = lists
    if epochs is not None:
        made.epoch = epochs
    return made


class Second(keras.callbacks.Callback):
    """Measures something in every second epoch only."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch % 2:
            logs["own"] = [0, 5.0, 0, 1.0, 0, 3.0][epoch]


class Returns(HyperModel):
    def build(self, hp: HyperParameters) -> keras.Model:
        return build_fixed(hp)

    def fit(self, hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        model.fit(*args, **kwargs)
        return {"mine": 1.0}
