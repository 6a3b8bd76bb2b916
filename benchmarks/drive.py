"""Put one target under load, in the interpreter that has its client, and write the calls as JSON.

It prints "ready" when the load begins; `processes.Load` starts it.

    python -m drive raw 127.0.0.1:8080/v1/projects/default/locations/local/studies/x --workers 4 --seconds 5
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from load import LOCATION, RawSession, Session, Workers

DRIVERS = ("raw", "client", "optuna", "keras-tuner")


def session_opener(driver: str, address: str, name: str = "worker") -> Callable[[int], Session]:
    """Return the function that opens the session of a worker, by the worker's number.

    Args:
        driver: one of DRIVERS.
        address: HOST:PORT/STUDY for Dodona and the floor, before it TOKEN@ if the server has tokens; otherwise as the
            peer's module expects.
        name: of the workers of Dodona and the floor, before their numbers.

    """
    if driver == "optuna":
        from peers.optuna_target import OptunaSession

        return lambda index: OptunaSession(address, index)
    if driver == "keras-tuner":
        from peers.keras_tuner_chief import KerasTunerSession

        return lambda index: KerasTunerSession(address, index)
    token, _, address = address.rpartition("@")
    place, _, study_id = address.partition(LOCATION)
    port, study = int(place.rpartition(":")[2]), LOCATION + study_id
    if driver == "raw":
        return lambda index: RawSession(port, study, f"{name}-{index}", token)
    from own_client import ClientSession

    return lambda index: ClientSession(port, study, f"{name}-{index}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("driver", choices=DRIVERS)
    parser.add_argument("address")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--name", default="worker", help="of the workers, if several calls share a study [worker]")
    parser.add_argument("--patient", action="store_true", help="go on after a failed call")
    options = parser.parse_args()
    open_session = session_opener(options.driver, options.address, options.name)
    workers = Workers(open_session, options.workers, options.seconds, patient=options.patient)
    workers.wait_until_ready()
    print("ready", flush=True)
    print(json.dumps([(call.kind, call.ended, call.seconds, call.worker) for call in workers.calls()]), flush=True)


if __name__ == "__main__":
    main()
