"""Uncaught errors that the user can correct: a script prints them in one or two lines."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

from dodona._errors import DodonaError, ServerUnreachable, Unauthenticated
from dodona._text import line_of, words_of

# Set this variable to show the whole traceback.
TRACEBACK = "DODONA_TRACEBACK"
_PACKAGES = ("dodona", "dodona_schemas")
_LIBRARIES = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}


def install() -> None:
    """Install the hook that prints uncaught errors of this package in one or two lines.

    A program with a hook of its own keeps it; a program that sets one later finds this one as `sys.excepthook`.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _excepthook


def _excepthook(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    if sys.stderr is None or os.environ.get(TRACEBACK, "0") not in ("", "0") or not _is_ours(error, frames):
        sys.__excepthook__(kind, error, frames)
        return
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    lines = [f"{name}: {line_of(words_of(error))}"]
    if not isinstance(error, ServerUnreachable | Unauthenticated):
        # The user corrects those outside of the script.
        lines = [*_place(frames), *lines]
    sys.stderr.write("\n".join([*lines, ""]))


def _is_ours(error: BaseException, frames: TracebackType | None) -> bool:
    """Return whether this package raised the error itself; for errors of other code the whole traceback helps."""
    if isinstance(error, DodonaError):
        return True
    if not isinstance(error, ValueError | ImportError) or frames is None:
        return False
    while frames.tb_next is not None:
        frames = frames.tb_next
    return _package(frames) in _PACKAGES


def _place(frames: TracebackType | None) -> list[str]:
    """Return the last line of the user's own code that ran: "train.py, line 12: study = client.create_study("."""
    users = None
    while frames is not None:
        if _is_of_user(frames):
            users = frames
        frames = frames.tb_next
    if users is None:
        return []
    (entry,) = traceback.extract_tb(users, limit=1)
    path = Path(entry.filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return [line_of(f"{shown}, line {entry.lineno}: {entry.line or ''}").rstrip(": ")]


def _is_of_user(frames: TracebackType) -> bool:
    file = frames.tb_frame.f_code.co_filename
    if _package(frames) in _PACKAGES or file.startswith("<frozen"):
        return False
    return not any(Path(os.path.realpath(file)).is_relative_to(folder) for folder in _LIBRARIES)


def _package(frames: TracebackType) -> str:
    return str(frames.tb_frame.f_globals.get("__name__")).partition(".")[0]
