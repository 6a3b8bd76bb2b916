"""Start processes of the pool quickly: one process imports the algorithms, and is forked for each of them."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

POOL_PROCESS = "dodona_server.service.computing.pool_process"
# A process that does not fork within this time counts as hung: it imports for half a second.
START_SECONDS = 60.0
# A message: 0 asks for a fork, with the file descriptor of its connection; the answer is its process id. A process id
# asks to collect that process, which has ended or is being killed.
MESSAGE = struct.Struct("!i")


class Forks:
    """Worker processes, forked from a process that starts with the first of them and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._parent: subprocess.Popen[bytes] | None = None

    def start(self, connection: Connection) -> int:
        """Return the id of a new process that answers jobs on the connection.

        Raises:
            OSError: it does not start.
        """
        with self._lock:
            try:
                return self._fork(connection)
            except OSError:
                # The process to fork was killed, perhaps for its memory.
                self._stop()
                return self._fork(connection)

    def kill(self, process_id: int) -> None:
        """Kill a process that `start` has returned; it may have ended."""
        # No other process has its id: an ended one keeps it until it is collected.
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
        with self._lock, suppress(OSError):
            if self._control is not None:
                self._control.sendall(MESSAGE.pack(process_id))

    def _fork(self, connection: Connection) -> int:
        control = self._control or self._start()
        socket.send_fds(control, [MESSAGE.pack(0)], [connection.fileno()])
        if len(answer := control.recv(MESSAGE.size, socket.MSG_WAITALL)) < MESSAGE.size:
            raise ConnectionResetError("the process to fork has ended")
        (process_id,) = MESSAGE.unpack(answer)
        return int(process_id)

    def _start(self) -> socket.socket:
        # A fresh interpreter: a fork of this process would inherit its threads and locks.
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_SECONDS)
        with theirs:
            # With -P, so that no file in the working directory replaces a module.
            command = [sys.executable, "-P", "-m", POOL_PROCESS, str(theirs.fileno())]
            self._parent = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603 - our own module
        return self._control

    def _stop(self) -> None:
        if self._parent is not None:
            self._parent.kill()
            self._parent.wait()
        if self._control is not None:
            self._control.close()
        self._control = self._parent = None


# All pools of a process share it.
FORKS = Forks()
