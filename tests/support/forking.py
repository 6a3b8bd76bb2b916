"""Servers as forks of one process that has imported everything: imports take nearly all CPU of a server's start.

    python -m tests.support.forking FILE_DESCRIPTOR

The file descriptor belongs to a socket; when it closes, this process ends. Each message brings two file descriptors:
a connection and a log. A fork reads the working directory and the environment of a server from the connection, forks
the server, and answers with its process id, and once it has ended with its exit code. A closed connection ends it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUMBER = struct.Struct("!i")


class ForkedServer:
    """`dodona serve` as a fork, with methods as `subprocess.Popen` has them.

    Args:
        folder: its working directory.
        variables: its whole environment. Python itself has started before, and does not see it.
        log: file descriptor for stdout and stderr.
    """

    _requests: socket.socket | None = None
    _parent: subprocess.Popen[bytes]

    def __init__(self, folder: Path, variables: Mapping[str, str], log: int) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._to_parent(), [b"f"], [theirs.fileno(), log])
        self._connection.sendall(json.dumps([str(folder), dict(variables)]).encode() + b"\n")
        self.pid = self._receive()
        self.returncode: int | None = None

    @classmethod
    def _to_parent(cls) -> socket.socket:
        if cls._requests is None:
            cls._requests, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", __name__, str(theirs.fileno())]
                cls._parent = subprocess.Popen(
                    command, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, pass_fds=[theirs.fileno()]
                )
        return cls._requests

    def _receive(self) -> int:
        (number,) = NUMBER.unpack(self._connection.recv(NUMBER.size, socket.MSG_WAITALL))
        return int(number)

    def poll(self) -> int | None:
        """Return the exit code; None if the server runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(timeout=0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the server has ended.

        Args:
            timeout: for how many seconds to wait; None for any number.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = self._receive()
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("dodona serve", timeout or 0) from None
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the server has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless the server has ended."""
        self.send_signal(signal.SIGKILL)


def main() -> None:
    """Fork for each message, until the socket closes."""
    # As `dodona_server.__main__` does.
    gc.disable()
    import dodona_server.app  # noqa: F401 - a server imports it once it listens
    from dodona_server.commands import app

    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system collects the forks
    with socket.socket(fileno=int(sys.argv[1])) as messages:
        while True:
            message, descriptors, _, _ = socket.recv_fds(messages, 1, 2)
            if not message:
                return
            if os.fork() == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
    connection, log = descriptors
    if _is_server(socket.socket(fileno=connection), log):
        app(["serve"])


def _is_server(connection: socket.socket, log: int) -> bool:
    """Fork a server; return True in it, and in this process False once it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection, connection.makefile() as lines:
        folder, variables = json.loads(lines.readline())
        if process_id := os.fork():
            connection.sendall(NUMBER.pack(process_id))
            os.close(log)
            has_ended = threading.Event()
            threading.Thread(target=_end_with_test, args=(connection, process_id, has_ended), daemon=True).start()
            _, status = os.waitpid(process_id, 0)
            has_ended.set()
            with suppress(BrokenPipeError):
                connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
            return False
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.chdir(folder)
    sys.path[0] = folder
    os.environ.clear()
    os.environ.update(variables)
    return True


def _end_with_test(connection: socket.socket, server: int, has_ended: threading.Event) -> None:
    """Kill the server when the process that has started it ends before."""
    connection.recv(1)
    if not has_ended.is_set():
        os.kill(server, signal.SIGKILL)


if __name__ == "__main__":
    main()
