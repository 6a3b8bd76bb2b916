"""Tunes a scikit-learn model on a part of the data; only the best parameters get more of it, and the best of these all.

dodona serve                  # in another terminal
python examples/fidelity.py   # as often as you like: all share the study "fidelity"
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import dodona

SPACE = {
    "C": dodona.Float(1e-2, 1e3, scale="log"),
    "gamma": dodona.Float(1e-5, 1.0, scale="log"),
    # The algorithm does not search this one: it grows from rung to rung, 0.1, 0.3, 0.9 and 1.
    "fraction": dodona.Float(0.1, 1.0),
}


def accuracy(parameters: dict) -> float:
    """Return the accuracy on data that were not trained on."""
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=0, stratify=y)
    rows = round(parameters["fraction"] * len(x_train))
    model = SVC(C=parameters["C"], gamma=parameters["gamma"]).fit(x_train[:rows], y_train[:rows])
    return float(model.score(x_test, y_test))


if __name__ == "__main__":
    with dodona.Client() as client:
        study = client.create_study(
            "fidelity",
            SPACE,
            goal="maximize",
            metric="accuracy",
            max_trials=40,
            algorithm="asha",
            algorithm_options={"fidelity": "fraction", "sampler": "TPE"},
        )
        study.optimize(lambda trial: accuracy(trial.parameters))
        print("Best:", study.best_trial)
        whole = sum(trial.parameters["fraction"] for trial in study.trials())
        print(f"{len(study.trials())} trials used the data {whole:.1f} times")
