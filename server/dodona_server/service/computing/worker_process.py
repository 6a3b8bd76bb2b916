"""A process of the pool: answers jobs until the server ends.

    python -m dodona_server.service.computing.worker_process FILE_DESCRIPTOR

The file descriptor belongs to a connection. The settings come first, then one job after another. The process sends True
when it is ready for jobs, then the answers.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

# How long a process without a job waits before work that is not urgent.
IDLE_SECONDS = 0.1


def main() -> None:
    """Answer jobs until the connection closes."""
    # A signal from the keyboard reaches the whole process group; the server decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # For small matrices several threads cost more than they gain, and they take cores from the other processes.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    with Connection(int(sys.argv[1])) as connection:
        url, sys.path[:] = connection.recv()
        # Workers wait for the following, and imported modules are not garbage.
        gc.disable()
        from dodona_server.service.computing.worker import Worker

        # What the first suggestions of the default algorithm need; see `_import_the_models` for the others.
        importlib.import_module("dodona_server.algorithms.gp.bandit")
        worker = Worker(url)
        connection.send(True)
        has_answered = threading.Event()
        threading.Thread(target=_import_the_models, args=[has_answered], daemon=True).start()

        def answer_next() -> None:
            for answer in worker.answers(connection.recv()):
                connection.send(answer)

        try:
            answer_next()
            has_answered.set()
            gc.freeze()
            gc.enable()
            while True:
                answer_next()
        except (EOFError, BrokenPipeError):
            return


def _import_the_models(has_answered: threading.Event) -> None:
    """Import the modules for a study's later suggestions, which takes longer than workers should wait."""
    has_answered.wait(IDLE_SECONDS)
    importlib.import_module("dodona_server.algorithms.gp.suggest")


if __name__ == "__main__":
    main()
