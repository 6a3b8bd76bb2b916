"""Stops trainings that do badly: the server compares each epoch with those of the other trials.

dodona serve                        # in another terminal
python examples/early_stopping.py   # as often as you like: all share the study "early-stopping"
"""

from digits import build_model, load_data

from dodona.keras import CloudTuner

if __name__ == "__main__":
    (x, y), validation_data, _ = load_data()
    tuner = CloudTuner(
        build_model,
        objective="val_accuracy",
        max_trials=8,
        study_id="early-stopping",
        directory="models",
        # From the sixth trial on, a training ends after an epoch if its best value is below the others' median.
        early_stopping="median",
        algorithm="random_search",
        seed=1,
    )
    tuner.search(x, y, epochs=8, batch_size=64, validation_data=validation_data)
    # It says how many epochs this saved.
    tuner.results_summary(1)
