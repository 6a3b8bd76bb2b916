"""Dodona's Keras tuner: KerasTuner's hypermodels, callbacks and subclasses, with the trials of a Dodona server.

    import dodona.keras

    tuner = dodona.keras.CloudTuner(build_model, objective="val_accuracy", max_trials=100, study_id="mnist")
    tuner.search(x, y, epochs=10, validation_data=(x_val, y_val))
    best = tuner.get_best_models()[0]

Run the same script on any number of machines: they share the study "mnist".
"""

from importlib import import_module

try:
    import_module("keras_tuner")
except ImportError as error:
    raise ImportError(
        f"dodona.keras needs Keras with its backend, and KerasTuner ({error}). Install them with: "
        "pip install 'dodona[keras]', or 'dodona[keras-cpu]' on a machine without a GPU. They bring TensorFlow; for "
        "another backend also install jax or torch and set KERAS_BACKEND"
    ) from error

from dodona.keras._errors import SearchInterrupted
from dodona.keras._oracle.oracle import CloudOracle
from dodona.keras._tuners.algorithms import BayesianOptimization, CloudTuner, GridSearch, RandomSearch, SklearnTuner
from dodona.keras._tuners.base import BaseTuner
from dodona.keras._tuners.hyperband import Hyperband
from dodona.keras._tuners.pbt import PBT
from dodona.keras._tuners.rungs import ASHA, FreezeThaw, SuccessiveHalving
from dodona.keras._tuners.tuner import Tuner

__all__ = [
    "ASHA",
    "PBT",
    "BaseTuner",
    "BayesianOptimization",
    "CloudOracle",
    "CloudTuner",
    "FreezeThaw",
    "GridSearch",
    "Hyperband",
    "RandomSearch",
    "SearchInterrupted",
    "SklearnTuner",
    "SuccessiveHalving",
    "Tuner",
]
