"""Tunes a scikit-learn model by ask and tell, without Keras, with any number of these processes at once.

dodona serve                  # in another terminal
python examples/ask_tell.py   # DODONA_URL=http://host:8080 for a server elsewhere
"""

from __future__ import annotations

import sys

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import dodona

SPACE = {
    "C": dodona.Float(1e-2, 1e3, scale="log"),
    "kernel": dodona.Categorical(
        ["linear", "rbf", "poly"],
        children={
            ("rbf", "poly"): {"gamma": dodona.Float(1e-4, 1.0, scale="log")},
            "poly": {"degree": dodona.Int(2, 4)},
        },
    ),
    "balanced": dodona.Boolean(),
}


def accuracy(trial: dodona.Trial) -> float:
    """Return the mean accuracy over five folds."""
    parameters = dict(trial.parameters)
    weight = "balanced" if parameters.pop("balanced") else None
    model = make_pipeline(StandardScaler(), SVC(class_weight=weight, **parameters))
    return float(cross_val_score(model, *load_breast_cancer(return_X_y=True)).mean())


def main() -> None:
    """Run trials until the study has 15."""
    with dodona.Client() as client:
        study = client.create_study("breast-cancer-svc", SPACE, goal="maximize", metric="accuracy", max_trials=15)
        while True:
            try:
                trial = study.ask()
            except dodona.StudyCompleted:
                break
            with trial:
                trial.complete(accuracy(trial))
            print(f"trial {trial.number:2d}  {trial.parameters}")
        best = study.best_trial
    if best is None:
        sys.exit("no trial succeeded")
    print(f"best: trial {best.number} with accuracy {best.metrics['accuracy']:.4f}")
    for name, value in best.parameters.items():
        print(f"  {name} = {value}")


if __name__ == "__main__":
    main()
