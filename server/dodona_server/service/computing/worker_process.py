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
from multiprocessing.connection import Connection

# A process that was not asked for so long has time for what is not urgent.
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
        try:
            connection.send(worker.answer(connection.recv()))
            gc.freeze()
            gc.enable()
            while True:
                if not connection.poll(IDLE_SECONDS):
                    worker.use_idle_time()
                connection.send(worker.answer(connection.recv()))
        except (EOFError, BrokenPipeError):
            return


if __name__ == "__main__":
    main()
