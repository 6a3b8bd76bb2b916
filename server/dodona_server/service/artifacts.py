"""Save, read and delete artifacts, the files of trials."""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from dodona_server.domain.artifact import Artifact
from dodona_server.domain.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    StorageFull,
    TooLarge,
    Unavailable,
)
from dodona_server.domain.names import ArtifactName, StudyName, TrialName
from dodona_server.domain.studies.study import Study
from dodona_server.observation import metrics
from dodona_server.service.idempotency import IdempotentCall
from dodona_server.service.quotas import NO_LIMITS, Quotas
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.attempts import Attempt, check_attempt, lock_trial, require_trial
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.artifacts.blobs import Blobs, Written
from dodona_server.storage.engine.locks import backup_runs
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import trials

logger = logging.getLogger("dodona")

MAX_ARTIFACTS = 100
# The longest time for an upload; the content of one that never ended is deleted after it.
UPLOAD_SECONDS = 24 * 3600.0
MAX_REMOVED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sends.

    Args:
        content: in chunks.
        attempt: the one that the sender runs; None for the last one.
        size: in bytes, if the sender announced it.
        sha256: of the content, in hexadecimal digits, if the sender announced it.
    """

    content: AsyncIterator[bytes]
    attempt: Attempt | None = None
    size: int | None = None
    sha256: str | None = None


class ArtifactService:
    """Saves, finds and deletes the files of trials.

    Args:
        store: of their records.
        blobs: of their content; None if the server has no artifact store.
        clock: the time, in seconds since the epoch.
        max_bytes: the largest size of a file.
        quotas: of projects.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs | None,
        clock: Callable[[], float],
        max_bytes: int,
        quotas: Quotas | None = None,
    ) -> None:
        self._quotas = quotas or Quotas(store, NO_LIMITS)
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._max_bytes = max_bytes
        self._removes = True

    async def save(self, name: ArtifactName, upload: Upload) -> Artifact:
        """Save the artifact with its content in place of an earlier one of that name, and return it.

        Readers see it only when the whole content has arrived and matches what was announced.

        Args:
            name: the artifact's.
            upload: the content.

        Raises:
            NotFound: there is no such study or trial.
            Aborted: the attempt was lost, and the trial was reassigned.
            TooLarge: the content is larger than this server allows.
            InvalidArgument: the content does not match its digest, or the trial has too many artifacts.
            StorageFull: there is no space for it.
            FailedPrecondition: the server has no artifact store.
        """
        blobs = self._artifact_store()
        if upload.size is not None and upload.size > self._max_bytes:
            raise TooLarge(f"{name} has {upload.size} bytes; this server allows {self._max_bytes}")
        await blobs.check_room(upload.size or 0)
        project = name.trial.study.parent.project
        await self._quotas.check_artifact(project, upload.size or 0)
        study, reserved = await self._store.run(lambda transaction: self._reserve(transaction, name, upload.attempt))
        written = await blobs.write(reserved.blob, upload.content, self._max_bytes)
        metrics.SAVED.inc(written.size)
        try:
            # The sender may not have said how many bytes come.
            await self._quotas.check_artifact(project, written.size)
        except StorageFull:
            await blobs.remove(reserved.blob)
            raise
        self._quotas.added_artifact(project, written.size)

        def keep(transaction: Transaction) -> Artifact:
            now = get_study(transaction, name.trial.study)
            if (now.key, now.create_time) != (study.key, study.create_time):
                raise NotFound(f"{name.trial.study} was deleted during the upload; a new study has its name")
            return self._keep(transaction, name, upload, reserved, written)

        try:
            return await self._store.run(keep)
        except (Aborted, InvalidArgument, NotFound):
            # After any other failure the transaction may have been committed all the same.
            await blobs.remove(reserved.blob)
            raise

    def _reserve(self, transaction: Transaction, name: ArtifactName, attempt: Attempt | None) -> tuple[Study, Artifact]:
        study = get_study(transaction, name.trial.study)
        study_key, trial = lock_trial(transaction, name.trial)
        check_attempt(trial, name.trial, attempt)
        if artifacts.find(transaction, study_key, trial.number, name.artifact_id) is None:
            _check_room(transaction, study_key, name)
        now = self._clock()
        artifact = Artifact(trial.number, name.artifact_id, uuid.uuid4().hex, trial.attempt, create_time=now)
        return study, artifacts.reserve(transaction, study_key, artifact, now + UPLOAD_SECONDS)

    def _keep(
        self, transaction: Transaction, name: ArtifactName, upload: Upload, reserved: Artifact, written: Written
    ) -> Artifact:
        if upload.sha256 is not None and upload.sha256 != written.sha256:
            raise InvalidArgument(f"the content's SHA-256 is {written.sha256}, not {upload.sha256}", "Content-Digest")
        # Check again: the trial may have been reassigned during the upload.
        study_key, trial = lock_trial(transaction, name.trial)
        check_attempt(trial, name.trial, upload.attempt)
        before = artifacts.find(transaction, study_key, trial.number, name.artifact_id, lock=True)
        if before is not None and before.key > reserved.key:
            # A later upload finished first.
            artifacts.discard(transaction, reserved, self._clock())
            return before
        if before is None:
            # Other artifacts may have been saved meanwhile.
            _check_room(transaction, study_key, name)
        else:
            artifacts.discard(transaction, before, self._clock())
        kept = dataclasses.replace(reserved, size=written.size, sha256=written.sha256)
        if not artifacts.keep(transaction, kept):
            raise Unavailable(f"the upload of {name} took longer than {UPLOAD_SECONDS:.0f} s")
        return kept

    async def get(self, name: ArtifactName) -> Artifact:
        """Return the artifact's record.

        Raises:
            NotFound: there is no such study, trial or artifact.
        """

        def query(transaction: Transaction) -> Artifact:
            study_key = self._study_of(transaction, name.trial)
            return _found(artifacts.find(transaction, study_key, name.trial.number, name.artifact_id), name)

        return await self._store.read(query)

    async def read(self, name: ArtifactName) -> tuple[Artifact, AsyncIterator[bytes]]:
        """Return the artifact and its content, in chunks.

        Raises:
            NotFound: there is no such study, trial or artifact, or its content is lost.
            FailedPrecondition: the server has no artifact store.
        """
        blobs = self._artifact_store()
        artifact = await self.get(name)
        try:
            return artifact, await blobs.read(artifact.blob)
        except NotFound:
            replaced = await self.get(name)
            if replaced == artifact:
                raise
            return replaced, await blobs.read(replaced.blob)

    async def of_trial(self, name: TrialName) -> list[Artifact]:
        """Return the trial's artifacts, by name.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> list[Artifact]:
            return artifacts.of_trial(transaction, self._study_of(transaction, name), name.number)

        return await self._store.read(query)

    async def page(self, name: StudyName, after: tuple[int, str], limit: int) -> list[Artifact]:
        """Return up to `limit` artifacts of the study behind that trial number and name, in this order.

        Raises:
            NotFound: there is no such study.
        """
        return await self._store.read(
            lambda transaction: artifacts.page(transaction, get_study(transaction, name).key, after, limit)
        )

    async def delete(self, name: ArtifactName, attempt: Attempt | None = None, request_id: str | None = None) -> None:
        """Delete the artifact.

        Raises:
            NotFound: there is no such study, trial or artifact.
            Aborted: the attempt was lost, and the trial was reassigned.
        """

        def use_case(transaction: Transaction) -> None:
            study_key, trial = lock_trial(transaction, name.trial)
            check_attempt(trial, name.trial, attempt)
            there = artifacts.find(transaction, study_key, trial.number, name.artifact_id, lock=True)
            artifacts.discard(transaction, _found(there, name), self._clock())

        once = IdempotentCall(request_id, f"delete {name}", name.trial.study, self._clock())
        await self._store.run(once(use_case, lambda _: None))

    async def sweep(self) -> bool:
        """Delete some content that no artifact refers to, and return whether there may be more."""
        if self._blobs is None:
            return False
        now = self._clock()

        def query(transaction: Transaction) -> list[tuple[int, str]]:
            found = artifacts.discarded_blobs(transaction, now, MAX_REMOVED_AT_ONCE)
            return [] if found and backup_runs(transaction) else found

        found_blobs = await self._store.read(query)
        if not found_blobs:
            return False
        try:
            for _, blob in found_blobs:
                await self._blobs.remove(blob)
        except (Unavailable, FailedPrecondition) as error:
            # Leases must not wait for a bucket: the next round tries again.
            if self._removes:
                logger.warning("deleted artifacts cannot be removed: %s", error)
            self._removes = False
            return False
        self._removes = True
        await self._store.run(lambda transaction: artifacts.forget(transaction, [key for key, _ in found_blobs]))
        return len(found_blobs) == MAX_REMOVED_AT_ONCE

    def close(self) -> None:
        """Close the artifact store."""
        if self._blobs is not None:
            self._blobs.close()

    def _artifact_store(self) -> Blobs:
        if self._blobs is None:
            raise FailedPrecondition(
                "this server stores no artifacts: set DODONA_ARTIFACTS to a folder that all its servers share, "
                "or to a URL such as s3://bucket/folder"
            )
        return self._blobs

    def _study_of(self, transaction: Transaction, name: TrialName) -> int:
        study = get_study(transaction, name.study)
        require_trial(trials.find(transaction, study, name.number), name)
        return study.key


def _check_room(transaction: Transaction, study_key: int, name: ArtifactName) -> None:
    if artifacts.count(transaction, study_key, name.trial.number) >= MAX_ARTIFACTS:
        raise InvalidArgument(f"{name.trial} has {MAX_ARTIFACTS} artifacts already, the maximum")


def _found(artifact: Artifact | None, name: ArtifactName) -> Artifact:
    if artifact is None:
        raise NotFound(f"{name} does not exist")
    return artifact
