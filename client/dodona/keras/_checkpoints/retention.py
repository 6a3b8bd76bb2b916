"""Weights of a study's trials: uploaded for every worker, and removed when they are no longer needed."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from keras_tuner import Objective

import dodona
from dodona import Study, TrialRecord
from dodona._codec import EPOCHS
from dodona.keras._checkpoints.storage import (
    BACKUP,
    CHECKPOINT,
    MODEL,
    SAVED,
    SAVED_STEP,
    WHOLE_MODEL,
    FileStore,
    FolderFileStore,
    ServerFileStore,
    copy_atomically,
    is_ours,
)
from dodona.keras._checkpoints.unpacking import open_archive
from dodona.keras._mapping.objective import score
from dodona.keras._mapping.trials import UNFINISHED, best_records
from dodona.keras._training.active_trial import ActiveTrial

logger = logging.getLogger("dodona")


class Checkpoints:
    """Checkpoints of a study's trials, on this machine and in the storage that all workers share.

    Args:
        study: returns the study.
        objective: returns the study's objective.
        here: the folder in which KerasTuner writes.
        place: a URL, or the folder itself if it is shared; None for the server's artifact store.
        keep: of how many trials checkpoints are kept, of the best ones; None for all.
        user_saves: whether the user's own `save_model` writes into the trials' folders.
    """

    def __init__(
        self,
        study: Callable[[], Study],
        objective: Callable[[], Objective],
        here: str,
        place: str | None,
        keep: int | None,
        *,
        user_saves: bool,
    ) -> None:
        if keep is not None and keep < 1:
            raise ValueError(f"keep_checkpoints is {keep}; it must be 1 or more, or None to keep all")
        self._study = study
        self._objective = objective
        self._here = here
        self._local = FolderFileStore(here)
        self._keep = keep
        self._store = self._store_at(place)
        self._user_saves = user_saves
        self._whole_here: set[int] = set()
        self._changed = True
        self._surplus: set[int] = set()

    def _store_at(self, place: str | None) -> FileStore:
        if place is None:
            return ServerFileStore(self._study)
        return self._local if place == self._here else FolderFileStore(place)

    def path(self, trial: int, name: str) -> str:
        """Return the path of a trial's file on this machine."""
        return os.path.join(self._here, f"trial_{trial}", name)

    def begin(self, active: ActiveTrial) -> None:
        """Make room for a trial that begins, and remove older files that could be mistaken for its own."""
        self.prune()
        number = active.handle.number
        if active.handle.attempt == 1 and active.handle.last_step is None:
            self._safely("clear", lambda: self._clear(number))

    def _clear(self, number: int) -> None:
        for store in (self._local, self._store):
            if isinstance(store, FolderFileStore):
                for name in store.names(number):
                    store.delete(number, name)

    def finish(self, active: ActiveTrial) -> None:
        """Upload the model of a successful trial for all workers, before the trial ends.

        A failure is logged and does not affect the trial.
        """
        number, value = active.handle.number, self._value_of(active)
        if value is None or active.reporter.lost:
            return
        self.choose_step(number, active.trial.metrics.get_best_step(self._objective().name))
        if not self._is_here(number) and not self._saved_by_user(number):
            return
        # A trial with a number of epochs may be continued by another one.
        is_continued = EPOCHS in active.trial.hyperparameters.values
        self._safely("keep", lambda: self._finish(number, value, active.handle.attempt, is_continued))

    def _finish(self, number: int, value: float, attempt: int, is_continued: bool) -> None:
        if not is_continued and not self._is_among_the_best(value):
            # The tuner's own hooks may still load the weights.
            self._surplus.add(number)
            return
        self.publish(number, attempt)
        if self._store is not self._local and (paths := self._saved_by_user(number)):
            self._save_zipped(number, paths, attempt)
        self._whole_here.add(number)

    def publish(self, number: int, attempt: int | None) -> None:
        """Upload a trial's model for all workers.

        Args:
            number: the trial's number.
            attempt: the attempt that this worker runs; None if it runs none.
        """
        for name in (*MODEL, WHOLE_MODEL):
            if os.path.exists(self.path(number, name)):
                self.save(number, name, self.path(number, name), attempt)

    def save_at(self, number: int, step: int, ending: str, save: Callable[[str], None]) -> None:
        """Write a model into the trial's folder on this machine, completely or not at all.

        Args:
            number: the trial's number.
            step: the model's step.
            ending: the ending of the file name.
            save: writes the model to a path.
        """
        unfinished = self.path(number, f"unfinished{ending}")
        os.makedirs(os.path.dirname(unfinished), exist_ok=True)
        save(unfinished)
        os.replace(unfinished, self.path(number, f"saved-{int(step)}{ending}"))

    def remove_steps(self, number: int, kept: Collection[int]) -> None:
        """Remove the models that were saved at other steps than these."""
        for step, path in self._steps(number).items():
            if step not in kept:
                os.unlink(path)

    def choose_step(self, number: int, best_step: int | None) -> None:
        """Make the model of the best step the trial's model; without one of that step, the latest model."""
        if (chosen := self.saved_at(number, best_step)) is not None:
            os.replace(chosen, self.path(number, WHOLE_MODEL if chosen.endswith(".keras") else CHECKPOINT))
            self.remove_steps(number, ())

    def saved_at(self, number: int, best_step: int | None) -> str | None:
        """Return the file that `choose_step` would choose; None without one."""
        steps = self._steps(number)
        return steps.get(-1 if best_step is None else best_step, steps[max(steps)] if steps else None)

    def _steps(self, number: int) -> dict[int, str]:
        """Return the files of `save_model` on this machine, by step."""
        folder = Path(self.path(number, ""))
        found = [SAVED_STEP.fullmatch(path.name) for path in folder.glob("saved-*")]
        return {int(match[1]): str(folder / match[0]) for match in found if match is not None}

    def _is_here(self, number: int) -> bool:
        return any(os.path.exists(self.path(number, name)) for name in (CHECKPOINT, WHOLE_MODEL))

    def _saved_by_user(self, number: int) -> list[Path]:
        """Return the user's files in a trial's folder on this machine."""
        if not self._user_saves:
            return []
        folder = Path(self.path(number, ""))
        return [path for path in folder.rglob("*") if path.is_file() and not is_ours(str(path.relative_to(folder)))]

    def _save_zipped(self, number: int, paths: Iterable[Path], attempt: int) -> None:
        with tempfile.TemporaryDirectory(prefix="dodona-") as folder:
            zipped = os.path.join(folder, SAVED)
            with zipfile.ZipFile(zipped, "w") as archive:
                for path in paths:
                    archive.write(path, path.relative_to(self.path(number, "")))
            self.save(number, SAVED, zipped, attempt)

    def save(self, trial: int, name: str, path: str, attempt: int | None, patience_seconds: float | None = None) -> str:
        """Store a file for all workers; see `FileStore.save`."""
        self._changed = True
        try:
            return self._store.save(trial, name, path, attempt, patience_seconds)
        except dodona.FailedPrecondition as error:
            # This worker's folder is better than no storage at all.
            logger.warning(
                "checkpoints stay in %s, where only workers of this machine find them: %s. Or give all workers the "
                "same directory= on a shared file system or as a URL",
                self._here,
                error,
            )
            self._store = self._local
            return self._store.save(trial, name, path, attempt)

    def fetch(self, trial: int) -> None:
        """Download a trial's model to this machine.

        Raises:
            FileNotFoundError: it is neither here nor in the shared storage.
        """
        missing = FileNotFoundError()
        for name in (*MODEL, WHOLE_MODEL):
            try:
                self._store.load(trial, name, self.path(trial, name))
            except FileNotFoundError as error:
                missing = missing if missing.args else error
        if not self._is_here(trial):
            raise self._missing(trial, missing) from missing

    def fetch_all(self, trial: int) -> None:
        """Download what exists of a trial's model elsewhere: its checkpoint, and the user's own files."""
        if self._store is self._local or trial in self._whole_here:
            return
        for name in (*MODEL, WHOLE_MODEL):
            with contextlib.suppress(FileNotFoundError):
                self._store.load(trial, name, self.path(trial, name))
        with tempfile.TemporaryDirectory(prefix="dodona-") as folder, contextlib.suppress(FileNotFoundError):
            zipped = os.path.join(folder, SAVED)
            self._store.load(trial, SAVED, zipped)
            with open_archive(zipped) as archive:
                for name in archive.namelist():
                    unzipped = archive.extract(name, folder)
                    copy_atomically(unzipped, self.path(trial, os.path.relpath(unzipped, folder)))
        self._whole_here.add(trial)

    def load(self, trial: int, name: str, path: str) -> None:
        """Download any file of a trial to `path`.

        Raises:
            FileNotFoundError: it does not exist.
        """
        self._store.load(trial, name, path)

    def backups(self, trial: int) -> list[str]:
        """Return the names of the trial's backups, newest first."""
        found = [match for name in self._store.names(trial) if (match := BACKUP.fullmatch(name))]
        found.sort(key=lambda match: (int(match[1]), int(match[2])), reverse=True)
        return [match[0] for match in found]

    def delete(self, trial: int, name: str, patience_seconds: float | None = None) -> None:
        """Remove a file of a trial from the shared storage; see `FileStore.delete`."""
        self._store.delete(trial, name, patience_seconds)

    def prune(self, *, in_any_case: bool = False) -> None:
        """Remove files that belong neither to the best trials nor to unfinished ones.

        Args:
            in_any_case: also if nothing has changed here since the last call.
        """
        self._safely("clear away", self._drop_surplus)
        if self._changed or in_any_case:
            self._safely("clear away", self._prune)
            self._changed = False

    def _drop_surplus(self) -> None:
        while self._surplus:
            number = self._surplus.pop()
            self._delete_from(self._local, number, self._local.names(number))

    def _prune(self) -> None:
        stores = [self._local] if self._store is self._local else [self._local, self._store]
        all_names = [(store, store.all_names()) for store in stores]
        numbers = {number for _, found in all_names for number in found}
        if not numbers:
            return
        study = self._study()
        best = self._best(study, numbers)
        finished = {number: _finished(study, number) for number in numbers - best}
        others = {number for number, record in finished.items() if record is not None}
        if others:
            # Again: a trial that has just finished may be among the best.
            best |= self._best(study, numbers)
        continued = {number for number in others if (record := finished[number]) and EPOCHS in record.parameters}
        if continued and not _is_completed(study):
            best |= continued
        for store, found in all_names:
            for number, names in found.items():
                if number in others - best:
                    self._delete_from(store, number, names)
                    continue
                backups = {name for name in names if BACKUP.match(name)}
                if backups and number in best and _finished(study, number) is not None:
                    self._delete_from(store, number, backups)

    def _best(self, study: Study, numbers: set[int]) -> set[int]:
        """Return the trials whose checkpoints are kept, out of these."""
        if self._keep is None:
            return numbers
        return {record.number for record in best_records(study, self._objective(), self._keep)}

    def _is_among_the_best(self, value: float) -> bool:
        study, objective = self._study(), self._objective()
        if self._keep is None:
            return True
        best = best_records(study, objective, self._keep)
        if len(best) < self._keep or best[-1].stopped:
            return True
        worst = score(objective, best[-1].metrics)
        return worst is None or bool(objective.better_than(value, worst))

    def _value_of(self, active: ActiveTrial) -> float | None:
        metrics, name = active.trial.metrics, self._objective().name
        value = metrics.get_best_value(name) if metrics.exists(name) else None
        return None if value is None or math.isnan(value) else float(value)

    def _delete_from(self, store: FileStore, number: int, names: set[str]) -> None:
        for name in names:
            store.delete(number, name)

    def _missing(self, trial: int, error: FileNotFoundError) -> FileNotFoundError:
        record = self._study().trial(trial)
        kept = "" if self._keep is None else f"; of finished trials, those of the best {self._keep} are kept"
        return FileNotFoundError(
            f"the weights of trial {trial} are neither in {self._here} nor where workers share them ({error}); worker "
            f"{record.worker!r} trained it{kept}"
        )

    def _safely(self, verb: str, work: Callable[[], None]) -> None:
        """Run work that must not fail a trial."""
        try:
            work()
        except dodona.Aborted as error:
            logger.info("this worker could not %s checkpoints: %s", verb, error)
        except (dodona.DodonaError, OSError) as error:
            logger.warning("this worker could not %s checkpoints, which are in %s: %s", verb, self._here, error)


def _is_completed(study: Study) -> bool:
    study.refresh()
    return study.state == "COMPLETED"


def _finished(study: Study, number: int) -> TrialRecord | None:
    """Return a trial that has ended; None for others and if the study does not have it: it may be another server's."""
    try:
        record = study.trial(number)
    except dodona.NotFound:
        return None
    return None if record.state in UNFINISHED else record
