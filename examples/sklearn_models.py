"""Cross-validates scikit-learn models, and tunes their kind and their settings.

dodona serve                        # in another terminal
python examples/sklearn_models.py   # as often as you like: all share the study "sklearn"
"""

from digits import load_data
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold

from dodona.keras import SklearnTuner


def build_model(hp):
    kind = hp.Choice("kind", ["forest", "ridge"])
    with hp.conditional_scope("kind", ["forest"]):
        if kind == "forest":
            return RandomForestClassifier(
                n_estimators=hp.Int("n_estimators", 5, 40, step=5), max_depth=hp.Int("max_depth", 2, 10)
            )
    with hp.conditional_scope("kind", ["ridge"]):
        return RidgeClassifier(alpha=hp.Float("alpha", 1e-3, 1e2, sampling="log"))


if __name__ == "__main__":
    (x, y), _, _ = load_data()
    tuner = SklearnTuner(
        hypermodel=build_model,
        cv=KFold(3, shuffle=True, random_state=0),
        max_trials=8,
        study_id="sklearn",
        directory="models",
    )
    tuner.search(x, y)
    tuner.results_summary(1)
