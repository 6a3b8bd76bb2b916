"""Tunes a custom training loop with GradientTape: it reports each epoch, and stops early if the server asks for it.

dodona serve                     # in another terminal
python examples/custom_loop.py   # as often as you like: all share the study "custom-loop"
"""

import keras
import tensorflow as tf
from digits import load_data

from dodona.keras import CloudTuner

EPOCHS = 2


class LoopTuner(CloudTuner):
    """Trains in its own loop; the return value of `run_trial` is the trial's result."""

    def run_trial(self, trial, train, validation):
        hp = trial.hyperparameters
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Dense(hp.Int("units", 16, 128, step=16), activation="relu"),
                keras.layers.Dense(10),
            ]
        )
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"))
        batches = tf.data.Dataset.from_tensor_slices(train).batch(hp.Choice("batch_size", [32, 64, 128]))
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        best = 0.0
        for epoch in range(EPOCHS):
            for x, y in batches:
                step(x, y)
            x, y = validation
            accuracy = float(tf.reduce_mean(keras.metrics.sparse_categorical_accuracy(y, model(x))))
            best = max(best, accuracy)
            self.on_epoch_end(trial, model, epoch, logs={"val_accuracy": accuracy})
            if trial.should_stop:
                break
        return {"val_accuracy": best}


if __name__ == "__main__":
    train, validation, _ = load_data()
    tuner = LoopTuner(objective="val_accuracy", max_trials=4, study_id="custom-loop", directory="models")
    tuner.search(train, validation)
    tuner.results_summary(1)
