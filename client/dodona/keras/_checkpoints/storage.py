"""Storage of trials' files, which every worker can reach."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import fsspec

from dodona import NotFound, Study
from dodona._http.transport import pause_after

logger = logging.getLogger("dodona")

# The files that these modules write; other files in a trial's folder are the user's.
CHECKPOINT = "checkpoint.weights.h5"
BUILD_CONFIG = "build_config.json"
MODEL = (CHECKPOINT, BUILD_CONFIG)
# A model with its architecture, for tuners without a hypermodel.
WHOLE_MODEL = "model.keras"
# The files of `save_model` while the trial runs, by step.
SAVED_STEP = re.compile(r"saved-(\d+)(\.weights\.h5|\.keras)")
# The files of a user's own `save_model`, for workers that do not share the folder.
SAVED = "saved.zip"
BACKUP = re.compile(r"backup-(\d+)-(\d+)\.zip")
# How the name of a copy ends that is not finished, or never will be because its worker was killed.
UNFINISHED = re.compile(r"\.[0-9a-f]{32}$")


def is_ours(name: str) -> bool:
    """Return whether a file of that name is stored and later removed by these modules."""
    name = UNFINISHED.sub("", name)
    return name in (*MODEL, WHOLE_MODEL, SAVED) or any(kind.fullmatch(name) for kind in (BACKUP, SAVED_STEP))


T = TypeVar("T")

# How often a file system call is tried: a bucket may be unavailable for a moment.
TRIES = 5


class FileStore(Protocol):
    """A storage of trials' files by name; each file appears and disappears completely."""

    def save(self, trial: int, name: str, path: str, attempt: int | None, patience_seconds: float | None = None) -> str:
        """Store a copy of a file and return its location, for people.

        Args:
            trial: the number of the trial.
            name: the file's name in the storage.
            path: the path of the file.
            attempt: the attempt that this worker runs; None if it runs none.
            patience_seconds: how long to try while a server does not answer; None for as long as `Retry` says.

        Raises:
            DodonaError: the server refused or does not answer.
            OSError: the file system failed.
        """

    def load(self, trial: int, name: str, path: str) -> None:
        """Copy a file to `path`, unless the same content is there.

        Raises:
            FileNotFoundError: the file does not exist.
        """

    def delete(self, trial: int, name: str, patience_seconds: float | None = None) -> None:
        """Remove a file if it exists; otherwise see `save`."""

    def all_names(self) -> dict[int, set[str]]:
        """Return the names of all files, by trial."""

    def names(self, trial: int) -> set[str]:
        """Return the names of the files of one trial."""


class ServerFileStore:
    """Artifact store of the server, for workers that share no disk.

    Args:
        study: returns the study.
    """

    def __init__(self, study: Callable[[], Study]) -> None:
        self._study = study

    def save(self, trial: int, name: str, path: str, attempt: int | None, patience_seconds: float | None = None) -> str:
        """See `FileStore.save`."""
        self._study().artifacts(trial, attempt, patience_seconds).save(name, path)
        return f"{self._study().name}/trials/{trial}/artifacts/{name}"

    def load(self, trial: int, name: str, path: str) -> None:
        """See `FileStore.load`."""
        files = self._study().artifacts(trial)
        try:
            there = files.find(name)
            if not os.path.exists(path) or not there.is_same_as(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                files.load(name, path)
        except NotFound as error:
            raise FileNotFoundError(str(error)) from error

    def delete(self, trial: int, name: str, patience_seconds: float | None = None) -> None:
        """See `FileStore.delete`."""
        with contextlib.suppress(NotFound):
            self._study().artifacts(trial, patience_seconds=patience_seconds).delete(name)

    def all_names(self) -> dict[int, set[str]]:
        """See `FileStore.all_names`."""
        found: dict[int, set[str]] = {}
        for artifact in self._study().all_artifacts():
            if is_ours(artifact.name):
                found.setdefault(artifact.trial, set()).add(artifact.name)
        return found

    def names(self, trial: int) -> set[str]:
        """See `FileStore.names`."""
        return {artifact.name for artifact in self._study().artifacts(trial) if is_ours(artifact.name)}


class FolderFileStore:
    """A folder, on this machine or shared, or any URL that fsspec supports; each trial has a folder in it.

    Args:
        place: the folder's path or URL.

    Raises:
        ValueError: no installed package supports the URL.
        ImportError: the package for such URLs is not installed; the message names it.
    """

    def __init__(self, place: str) -> None:
        files, self._root = fsspec.core.url_to_fs(place)
        self._files: Any = files
        self._local = isinstance(files, fsspec.implementations.local.LocalFileSystem)

    def save(self, trial: int, name: str, path: str, attempt: int | None, patience_seconds: float | None = None) -> str:  # noqa: ARG002 - a server's
        """See `FileStore.save`."""
        target = self._path(trial, name)
        if self._local:
            if os.path.abspath(path) != os.path.abspath(target):
                copy_atomically(path, target)
            return target
        # An object becomes visible only when all of it is stored.
        _with_retries(lambda: self._files.put_file(path, target))
        return str(self._files.unstrip_protocol(target))

    def load(self, trial: int, name: str, path: str) -> None:
        """See `FileStore.load`."""
        source = self._path(trial, name)
        if self._local and os.path.abspath(path) == os.path.abspath(source) and os.path.exists(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _with_retries(lambda: self._files.get_file(source, path))

    def delete(self, trial: int, name: str, patience_seconds: float | None = None) -> None:  # noqa: ARG002 - a server's
        """See `FileStore.delete`."""
        with contextlib.suppress(FileNotFoundError):
            _with_retries(lambda: self._files.rm_file(self._path(trial, name)))
        if self._local:
            # Folders with other content stay; other kinds of storage have no empty folders.
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(self._path(trial, name)))

    def all_names(self) -> dict[int, set[str]]:
        """See `FileStore.all_names`."""
        found: dict[int, set[str]] = {}
        for folder in self._listed(self._root):
            number = re.fullmatch(r"trial_(\d+)", folder)
            if number is not None and (names := self.names(int(number[1]))):
                found[int(number[1])] = names
        return found

    def names(self, trial: int) -> set[str]:
        """See `FileStore.names`."""
        return {name for name in self._listed(f"{self._root}/trial_{trial}") if is_ours(name)}

    def _listed(self, folder: str) -> list[str]:
        # Without the cache: other workers may have written files meanwhile.
        self._files.invalidate_cache()
        try:
            found: list[str] = _with_retries(lambda: self._files.ls(folder, detail=False))
        except FileNotFoundError:
            return []
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def _path(self, trial: int, name: str) -> str:
        return f"{self._root}/trial_{trial}/{name}"


def copy_atomically(path: str, target: str) -> None:
    """Copy a file so that no reader sees a part of it."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.{uuid.uuid4().hex}"
    try:
        shutil.copyfile(path, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _with_retries(call: Callable[[], T]) -> T:
    """Return the result of `call`, which is repeated if it fails.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: every try failed, whatever error the library behind the URL raises.
    """
    for tries in itertools.count(1):
        try:
            return call()
        except FileNotFoundError:
            raise
        except Exception as error:
            if tries == TRIES:
                raise OSError(f"{type(error).__name__}: {error}") from error
            logger.info("a file system failed, trying again: %s", error)
        time.sleep(pause_after(tries))
    raise AssertionError
