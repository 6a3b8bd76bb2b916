"""The report of a tuner's study: its code builds the best model again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
from keras_tuner import HyperParameters

from dodona import Study
from dodona.keras import CloudTuner
from tests.keras.models import DATA, compile_model


def test_the_snippet_builds_the_best_model(tune: Callable[..., CloudTuner], study: Callable[[], Study]) -> None:
    def build(hp: HyperParameters) -> keras.Model:
        units = hp.Int("units", 4, 16, step=4)
        layers = [keras.layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"]))]
        if hp.Boolean("dropout"):
            layers.append(
                keras.layers.Dropout(hp.Float("rate", 0.1, 0.5, step=0.1, parent_name="dropout", parent_values=[True]))
            )
        model = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(hp.Choice("lr", [0.1, 0.01])))
        return model

    tuner = tune(build, objective="val_loss", max_trials=6)
    tuner.search(**DATA, epochs=1)
    text = study().report(format="md")
    code = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)[-1]
    run: dict[str, Any] = {"build_model": build}
    exec(code, run)
    best = tuner.get_best_hyperparameters()[0]
    assert {name: value for name, value in run["hp"].values.items() if name in best.values} == best.values
    assert isinstance(run["model"], keras.Model)
    assert run["parameters"] == {name: best.values[name] for name in run["parameters"]}
    assert {name: type(value) for name, value in run["parameters"].items()} == {
        name: type(best.values[name]) for name in run["parameters"]
    }
