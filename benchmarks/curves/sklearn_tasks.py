"""Trainings of scikit-learn: networks and linear models by `partial_fit`, gradient boosting by warm start."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from curves.data import Data, load
from curves.trainings import EPOCHS, Configuration, Metrics, Task, choice, linear, log

TREES_AN_EPOCH = 3


def _classified(data: Data, model: Any) -> Metrics:
    accuracy = float(np.mean(model.predict(data.x_valid) == data.y_valid))
    if not hasattr(model, "predict_proba"):
        return {"val_accuracy": accuracy}
    shares = np.clip(np.nan_to_num(model.predict_proba(data.x_valid), nan=1 / data.classes), 1e-7, 1.0)
    return {"val_accuracy": accuracy, "val_loss": float(log_loss(data.y_valid, shares, labels=range(data.classes)))}


def _network(name: str, noisy_labels: float) -> Any:
    def train(values: Configuration, seed: int) -> Iterator[Metrics]:
        data = load(name, noisy_labels)
        model = MLPClassifier(
            hidden_layer_sizes=(int(values["width"]),) * values["layers"],
            activation=values["activation"],
            solver=values["solver"],
            alpha=values["alpha"],
            batch_size=values["batch_size"],
            learning_rate_init=values["learning_rate"],
            momentum=values["momentum"],
            random_state=seed,
        )
        for _ in range(EPOCHS):
            model.partial_fit(data.x, data.y, classes=range(data.classes))
            yield _classified(data, model)

    return train


def _linear(values: Configuration, seed: int) -> Iterator[Metrics]:
    data = load("digits", 0.1)
    model = SGDClassifier(
        loss=values["loss"],
        penalty=values["penalty"],
        alpha=values["alpha"],
        learning_rate=values["schedule"],
        eta0=values["eta0"],
        power_t=values["power"],
        average=values["average"],
        random_state=seed,
    )
    for _ in range(EPOCHS):
        model.partial_fit(data.x, data.y, classes=range(data.classes))
        yield {"val_accuracy": _classified(data, model)["val_accuracy"]}


def _boosting(name: str) -> Any:
    def train(values: Configuration, seed: int) -> Iterator[Metrics]:
        regression = name == "diabetes"
        data = load(name, 0.0 if regression else 0.1)
        model = (GradientBoostingRegressor if regression else GradientBoostingClassifier)(
            learning_rate=values["learning_rate"],
            max_depth=values["max_depth"],
            subsample=values["subsample"],
            max_features=values["max_features"],
            min_samples_leaf=max(1, int(values["min_samples_leaf"])),
            warm_start=True,
            random_state=seed,
        )
        for epoch in range(1, EPOCHS + 1):
            model.set_params(n_estimators=TREES_AN_EPOCH * epoch).fit(data.x, data.y)
            if regression:
                yield {"val_loss": float(np.mean((model.predict(data.x_valid) - data.y_valid) ** 2))}
            else:
                yield {"val_loss": _classified(data, model)["val_loss"]}

    return train


NETWORK = (
    log("learning_rate", 1e-4, 1.0),
    log("alpha", 1e-6, 1.0),
    log("width", 4, 64),
    linear("momentum", 0.0, 0.98),
    choice("layers", 1, 2, 3),
    choice("activation", "relu", "tanh", "logistic"),
    choice("solver", "sgd", "adam"),
    choice("batch_size", 16, 64, 256),
)
LINEAR = (
    log("eta0", 1e-4, 10.0),
    log("alpha", 1e-7, 0.1),
    linear("power", 0.0, 0.6),
    choice("schedule", "constant", "invscaling"),
    choice("loss", "hinge", "log_loss", "modified_huber", "squared_hinge"),
    choice("penalty", "l2", "l1", "elasticnet"),
    choice("average", False, True),
)
BOOSTING = (
    log("learning_rate", 0.003, 1.5),
    linear("subsample", 0.2, 1.0),
    linear("max_features", 0.1, 1.0),
    log("min_samples_leaf", 1, 60),
    choice("max_depth", 1, 2, 3, 5),
)

TASKS = (
    Task("sklearn_mlp_digits", NETWORK, {"val_accuracy": "max", "val_loss": "min"}, _network("digits", 0.0)),
    Task("sklearn_mlp_wine", NETWORK, {"val_loss": "min"}, _network("wine", 0.2)),
    Task("sklearn_sgd_digits", LINEAR, {"val_accuracy": "max"}, _linear),
    Task("sklearn_boosting_diabetes", BOOSTING, {"val_loss": "min"}, _boosting("diabetes")),
    Task("sklearn_boosting_breast_cancer", BOOSTING, {"val_loss": "min"}, _boosting("breast_cancer")),
)
warnings.filterwarnings("ignore")
