"""KerasTuner's chief: the gRPC service of its oracle, with random search.

The load uses its `OracleClient`, in the order of its `Tuner`'s calls. It has no stop verdict.

    python -m peers.keras_tuner_chief PORT FOLDER
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import keras_tuner
from keras_tuner.src.distribute import oracle_chief
from keras_tuner.src.distribute.oracle_client import OracleClient
from keras_tuner.src.engine.trial import TrialStatus

from load import REPORTS, Call, timed

CHOICES = ["relu", "tanh", "gelu", "selu"]
# More than a run can reach.
MAX_TRIALS = 10_000_000


def create_oracle() -> keras_tuner.Oracle:
    """Return random search over the benchmark's ten parameters."""
    space = keras_tuner.HyperParameters()
    for index in range(4):
        space.Float(f"rate_{index}", 1e-5, 1e-1, sampling="log")
    for index in range(2):
        space.Float(f"share_{index}", 0.0, 1.0)
        space.Int(f"units_{index}", 1, 512)
        space.Choice(f"choice_{index}", CHOICES)
    return keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("loss", "min"), max_trials=MAX_TRIALS, hyperparameters=space
    )


class KerasTunerSession:
    """A worker of the chief at HOST:PORT."""

    def __init__(self, address: str, index: int) -> None:
        _name(address, f"worker-{index}")
        self._client = OracleClient(create_oracle())

    def cycle(self) -> Iterator[Call]:
        """See `load.Session`."""
        client = self._client
        call, trial = timed("ask", lambda: client.create_trial(client.tuner_id))
        yield call
        loss = random.random()
        for step in range(1, REPORTS + 1):
            loss *= 0.9
            yield timed("report", lambda at=step, value=loss: client.update_trial(trial.trial_id, {"loss": value}, at))[
                0
            ]
        trial.status = TrialStatus.COMPLETED

        def complete() -> None:
            client.update_trial(trial.trial_id, {"loss": loss}, REPORTS)
            client.end_trial(trial)

        yield timed("complete", complete)[0]


def _name(address: str, tuner_id: str) -> None:
    host, _, port = address.rpartition(":")
    os.environ["KERASTUNER_ORACLE_IP"] = host
    os.environ["KERASTUNER_ORACLE_PORT"] = port
    os.environ["KERASTUNER_TUNER_ID"] = tuner_id


def main() -> None:
    port, folder = sys.argv[1:]
    _name(f"127.0.0.1:{port}", "chief")
    oracle = create_oracle()
    oracle._set_project_dir(folder, "benchmark")
    if os.path.exists(oracle._get_oracle_fname()):
        oracle.reload()
    oracle_chief.start_server(oracle)


if __name__ == "__main__":
    main()
