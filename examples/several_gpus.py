"""Several GPUs of one machine: a worker for each of them, in one study.

dodona serve                                                           # in another terminal
dodona run --workers 4 --gpus-per-worker 1 examples/several_gpus.py    # 0 for a machine without GPUs
"""

import os

import tensorflow as tf
from digits import build_model, load_data

from dodona.keras import CloudTuner

if __name__ == "__main__":
    gpus = tf.config.list_physical_devices("GPU")
    print(f"{os.environ.get('DODONA_WORKER', 'this process')} sees {len(gpus)} GPUs")
    for gpu in gpus:
        # By default TensorFlow takes all of a GPU's memory.
        tf.config.experimental.set_memory_growth(gpu, True)
    (x, y), validation_data, _ = load_data()
    tuner = CloudTuner(build_model, objective="val_accuracy", max_trials=4, study_id="several-gpus", directory="models")
    tuner.search(x, y, epochs=2, validation_data=validation_data)
