"""Artifacts, the files that belong to trials: uploaded and downloaded as a stream, whole or not at all."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from dodona_schemas import artifacts as wire
from dodona_schemas.vertex import Empty
from dodona_server.api.calls.call import OCTETS, Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.paging import page_size, read_text_token, write_token
from dodona_server.api.front.route import OfStudy, OfTrial, PageSize, PageToken, RequestId, Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.domain.artifact import Artifact
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import ArtifactName, StudyName, TrialName
from dodona_server.parts import Artifacts
from dodona_server.service.artifacts import Upload
from dodona_server.service.trials.attempts import Attempt

# RFC 9530: `sha-256=:BASE64:`, possibly among digests of other kinds.
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):")
_PLACE = re.compile(r"([0-9]{1,18})\.(.+)")


class Alt(enum.StrEnum):
    """Form of the answer: the protocol message or the content."""

    JSON = "json"
    MEDIA = "media"


ArtifactPart = Annotated[str, Path(examples=["model.weights.h5"])]
AttemptNumber = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="The attempt for which the caller runs the trial")
]


async def artifact_name(trial: OfTrial, artifact: ArtifactPart) -> ArtifactName:
    """Return the artifact that the path names."""
    return ArtifactName(trial, artifact)


OfArtifact = Annotated[ArtifactName, Depends(artifact_name)]


routes = Routes(Dialect.OWN)


@routes.serve
async def save_artifact(
    artifact: OfArtifact,
    request: Request,
    artifacts: Artifacts,
    attempt: AttemptNumber = None,
    content_digest: Annotated[
        str, Header(description="RFC 9530: sha-256=:BASE64:, which the content must have", examples=[""])
    ] = "",
    content_length: Annotated[int | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Store a file with the trial and replace an earlier one of that name."""
    upload = Upload(_body(request), _read_attempt(attempt), content_length, _sha256(content_digest))
    return Answer(_write(artifact.trial.study, await artifacts.save(artifact, upload)))


@routes.serve
async def get_artifact(artifact: OfArtifact, artifacts: Artifacts, alt: Alt = Alt.JSON) -> Response:
    """Return a file of the trial: its description, or with alt=media its content."""
    if alt is Alt.JSON:
        return Answer(_write(artifact.trial.study, await artifacts.get(artifact)))
    there, content = await artifacts.read(artifact)
    headers = {
        "Content-Length": str(there.size),
        "Content-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(there.sha256)).decode()}:",
        # A browser must not show a file that any client may have uploaded as a page of this server.
        "Content-Disposition": f'attachment; filename="{there.name}"',
    }
    return StreamingResponse(content, media_type=OCTETS, headers=headers)


@routes.serve
async def list_artifacts(trial: OfTrial, artifacts: Artifacts) -> Response:
    """List the files of a trial by name."""
    listed = [_write(trial.study, one) for one in await artifacts.of_trial(trial)]
    return Answer(wire.ListArtifactsResponse(artifacts=listed))


@routes.serve
async def list_artifacts_of_study(
    study: OfStudy, artifacts: Artifacts, size: PageSize = 0, token: PageToken = ""
) -> Response:
    """List the files of all trials of a study by trial and name."""
    limit = page_size(size)
    page = await artifacts.page(study, _read_place(token), limit + 1)
    more = ""
    if len(page) > limit:
        more = write_token("artifacts", f"{page[limit - 1].number}.{page[limit - 1].name}")
    listed = [_write(study, one) for one in page[:limit]]
    return Answer(wire.ListArtifactsResponse(artifacts=listed, next_page_token=more))


@routes.serve
async def delete_artifact(
    artifact: OfArtifact, artifacts: Artifacts, attempt: AttemptNumber = None, request_id: RequestId = ""
) -> Response:
    """Delete a file of the trial."""
    await artifacts.delete(artifact, _read_attempt(attempt), request_id)
    return Answer(Empty())


def _write(study: StudyName, value: Artifact) -> wire.Artifact:
    return wire.Artifact(
        name=str(ArtifactName(TrialName(study, value.number), value.name)),
        size_bytes=value.size,
        sha256=value.sha256,
        attempt=value.attempt,
        create_time=timestamp(value.create_time),
    )


def _read_attempt(number: int | None) -> Attempt | None:
    return None if number is None else Attempt(number)


def _sha256(content_digest: str) -> str | None:
    if not content_digest:
        return None
    match = _DIGEST.search(content_digest)
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        problem = f"{content_digest!r} has no SHA-256; write it as in 'sha-256=:BASE64:'"
        raise InvalidArgument(problem, "Content-Digest")
    return digest.hex()


def _read_place(token: str) -> tuple[int, str]:
    match = _PLACE.fullmatch(read_text_token("artifacts", token))
    if match is None:
        if token:
            raise InvalidArgument(f"{token!r} is not a token of this list; start again without one", "pageToken")
        return 0, ""
    return int(match[1]), match[2]


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise InvalidArgument("the connection was closed before all of the content had arrived") from error
