"""Tunes a Keras model on scikit-learn's handwritten digits.

Start a server with `dodona serve`, and this script as often as you like, on any machines whose DODONA_URL names the
server: they all share the study "digits".
"""

import os

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from dodona.keras import CloudTuner


def load_data():
    """Return the digits as (x, y) for training, validation and test."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16.0, y, test_size=0.2, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return (x, y), (x_val, y_val), (x_test, y_test)


def build_model(hp):
    """Return a network; every hyperparameter that it reads from `hp` is tuned."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(hp.Int("layers", 1, 3)):
        units = hp.Int("units", 16, 128, step=16)
        model.add(keras.layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh", "gelu"])))
    dropout = hp.Boolean("dropout")
    with hp.conditional_scope("dropout", [True]):
        if dropout:
            model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def make_tuner():
    """Return a tuner of the study, to run trials or to read the results of all workers."""
    return CloudTuner(
        build_model,
        objective="val_accuracy",
        max_trials=int(os.environ.get("DODONA_DEMO_TRIALS", "12")),
        study_id="digits",
        directory="demo",
    )


if __name__ == "__main__":
    (x, y), validation_data, _ = load_data()
    make_tuner().search(x, y, epochs=8, batch_size=32, validation_data=validation_data)
