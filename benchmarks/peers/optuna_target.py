"""Optuna: its RDB storage on a database, or its gRPC proxy for one.

It is called as users call it, with its defaults, random search, and `MedianPruner` for the stop verdict.

    python -m peers.optuna_target serve PORT DATABASE_URL
    python -m peers.optuna_target create ADDRESS
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, run_grpc_proxy_server

from load import REPORTS, Call, timed

STUDY = "benchmark"
SPACE: dict[str, BaseDistribution] = {
    **{f"rate_{index}": FloatDistribution(1e-5, 1e-1, log=True) for index in range(4)},
    **{f"share_{index}": FloatDistribution(0.0, 1.0) for index in range(2)},
    **{f"units_{index}": IntDistribution(1, 512) for index in range(2)},
    **{f"choice_{index}": CategoricalDistribution(["relu", "tanh", "gelu", "selu"]) for index in range(2)},
}

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(address: str) -> BaseStorage:
    """Return the storage of a database's URL or of grpc://HOST:PORT."""
    if address.startswith("grpc://"):
        host, _, port = address.removeprefix("grpc://").rpartition(":")
        return GrpcStorageProxy(host=host, port=int(port))
    return RDBStorage(address)


class OptunaSession:
    """A worker with its own storage."""

    def __init__(self, address: str, index: int) -> None:
        self._study = optuna.load_study(
            study_name=STUDY, storage=open_storage(address), sampler=optuna.samplers.RandomSampler(seed=index)
        )

    def cycle(self) -> Iterator[Call]:
        """See `load.Session`."""
        study = self._study
        call, trial = timed("ask", lambda: study.ask(SPACE))
        yield call
        loss = random.random()
        for step in range(1, REPORTS + 1):
            loss *= 0.9
            yield timed("report", lambda at=step, value=loss: (trial.report(value, at), trial.should_prune()))[0]
        yield timed("complete", lambda: study.tell(trial, loss))[0]


def main() -> None:
    verb, *arguments = sys.argv[1:]
    if verb == "serve":
        port, url = arguments
        run_grpc_proxy_server(RDBStorage(url), host="127.0.0.1", port=int(port))
    else:
        optuna.create_study(study_name=STUDY, storage=open_storage(arguments[0]))


if __name__ == "__main__":
    main()
