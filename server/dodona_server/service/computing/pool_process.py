"""Processes of the pool: one that imports the algorithms and forks, and its forks, which answer jobs.

    python -P -m dodona_server.service.computing.pool_process FILE_DESCRIPTOR

The file descriptor belongs to a socket; `forking` has its messages. When it closes, this process ends. A fork gets the
settings through its connection, then one job after another. It sends True when it is ready for jobs, then the answers.
It ends when its connection closes.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from dodona_server.service.computing.forking import MESSAGE

# How long a process without a job waits before work that is not urgent.
IDLE_SECONDS = 0.1
# What the first suggestions of the default algorithm need, and what the later ones need besides.
FIRST = ("dodona_server.service.computing.pool_worker", "dodona_server.algorithms.gp.bandit")
MODELS = "dodona_server.algorithms.gp.suggest"
# Apple's linear algebra, which NumPy loads, does not work after a fork.
FORKS_NUMPY = sys.platform != "darwin"


def main() -> None:
    """Fork until the socket closes; in a fork, answer jobs until its connection closes."""
    # A signal from the keyboard reaches the whole process group; the server decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # For small matrices several threads cost more than they gain, they take cores from the other processes, and no
    # thread may run before a fork.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    # Workers wait for the imports, and imported modules are not garbage.
    gc.disable()
    if FORKS_NUMPY:
        _import(*FIRST)
    connection = None
    with socket.socket(fileno=int(sys.argv[1])) as control, suppress(BrokenPipeError):
        connection = _forked(control)
    if connection is not None:
        with connection, suppress(EOFError, BrokenPipeError):
            _answer(connection)


def _forked(control: socket.socket) -> Connection | None:
    """Fork for each request; return the connection in a fork, and None in this process when the socket closes."""
    has_forked = False
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE.size, 1)
        if not message:
            return None
        (process_id,) = MESSAGE.unpack(message)
        if process_id:
            with suppress(ChildProcessError):  # another process has forked it, which was killed
                os.waitpid(process_id, 0)
            continue
        if has_forked and FORKS_NUMPY:
            # Not before the first fork, for which a worker waits.
            _import(MODELS)
            gc.freeze()
        has_forked = True
        process_id = os.fork()
        if process_id == 0:
            return Connection(descriptors[0])
        os.close(descriptors[0])
        control.sendall(MESSAGE.pack(process_id))


def _answer(connection: Connection) -> None:
    """Answer jobs until the connection closes."""
    url, sys.path[:] = connection.recv()
    _import(*FIRST)
    from numpy import random

    from dodona_server.service.computing.pool_worker import Worker

    random.seed()  # otherwise, all forks would draw the same, for an algorithm of another package that uses it
    worker = Worker(url)
    connection.send(True)
    has_answered = threading.Event()
    threading.Thread(target=_import_the_models, args=[has_answered], daemon=True).start()

    def answer_next() -> None:
        for answer in worker.answers(connection.recv()):
            connection.send(answer)

    answer_next()
    has_answered.set()
    gc.freeze()
    gc.enable()
    while True:
        answer_next()


def _import_the_models(has_answered: threading.Event) -> None:
    """Import the modules for a study's later suggestions, which takes longer than workers should wait."""
    has_answered.wait(IDLE_SECONDS)
    _import(MODELS)


def _import(*modules: str) -> None:
    for module in modules:
        importlib.import_module(module)


if __name__ == "__main__":
    main()
