"""A search that is interrupted and goes on: press Ctrl-C whenever you like, and start it again.

The trial in hand goes back to the server, and the next worker that asks has it, here or on another machine.

dodona serve                            # in another terminal
python examples/resume.py               # Ctrl-C, and again; or without hands:
python examples/resume.py --interrupt   # is interrupted in its second trial
"""

import sys

import keras
from digits import build_model, load_data

from dodona.keras import CloudTuner


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the third epoch of all."""

    epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        Interrupt.epochs += 1
        if Interrupt.epochs == 3:
            raise KeyboardInterrupt


if __name__ == "__main__":
    (x, y), validation_data, _ = load_data()
    tuner = CloudTuner(build_model, objective="val_accuracy", max_trials=3, study_id="resume", directory="models")
    print(f"{tuner.remaining_trials} of 3 trials are still to be begun")
    callbacks = [Interrupt()] if "--interrupt" in sys.argv else []
    try:
        tuner.search(x, y, epochs=2, validation_data=validation_data, callbacks=callbacks)
    except KeyboardInterrupt:
        waiting = [trial.number for trial in tuner.study.trials() if trial.state == "REQUESTED"]
        sys.exit(f"interrupted; trial {waiting[0]} waits for the next worker: start this again")
    tuner.results_summary(1)
