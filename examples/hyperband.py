"""Hyperband: many trials train for one epoch, and the best of them continue from their weights.

dodona serve                   # in another terminal
python examples/hyperband.py   # as often as you like: all share the study "hyperband"
"""

from digits import build_model, load_data

from dodona.keras import Hyperband

if __name__ == "__main__":
    (x, y), validation_data, _ = load_data()
    tuner = Hyperband(
        build_model, objective="val_accuracy", max_epochs=4, factor=4, seed=0, study_id="hyperband", directory="models"
    )
    tuner.search(x, y, validation_data=validation_data)
    tuner.results_summary(1)
