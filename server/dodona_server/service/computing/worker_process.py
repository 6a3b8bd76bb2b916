"""A process in which models are fitted: answers jobs until the server is gone.

    python -m dodona_server.service.computing.worker_process FILE_DESCRIPTOR

The file descriptor is that of a connection. First comes what the process works with, then one job after the other.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

# How long a process that nobody has asked yet waits with what is not urgent.
IDLE_SECONDS = 0.3


def main() -> None:
    """Answers jobs."""
    # A signal from the keyboard reaches the whole group; the server says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Several threads for small matrices cost more than they bring, and take the cores from the other processes.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    with Connection(int(sys.argv[1])) as connection:
        url, register, sys.path[:] = connection.recv()
        # Workers wait for what follows, and nothing of what is imported is garbage.
        gc.disable()
        if register is not None:
            importlib.import_module(register)
        from dodona_server.service.computing.worker import Worker

        worker = Worker(url)
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
    """Imports what a study's later suggestions need, which takes longer than workers should wait."""
    has_answered.wait(IDLE_SECONDS)
    importlib.import_module("dodona_server.algorithms.gp.suggest")


if __name__ == "__main__":
    main()
