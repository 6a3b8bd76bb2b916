"""A search that resumes after an interruption: press Ctrl-C at any time, and start it again.

The running trial is released, and the next worker that asks gets it, on this machine or another.

dodona serve                            # in another terminal
python examples/resume.py               # press Ctrl-C, and run it again; or without pressing it:
python examples/resume.py --interrupt   # interrupts itself in its second trial
"""

import sys

import keras
from digits import build_model, load_data

from dodona.keras import CloudTuner


class Interrupt(keras.callbacks.Callback):
    """Raises KeyboardInterrupt in the third epoch of the search."""

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
