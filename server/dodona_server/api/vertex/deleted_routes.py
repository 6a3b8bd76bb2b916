"""Deleted studies: list them, restore or purge one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.route import InLocation, RequestId, Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.api.vertex import answers
from dodona_server.domain.studies.deleted_study import DeletedStudy
from dodona_server.parts import Deleted

routes = Routes(Dialect.OWN)
DeletedPart = Annotated[str, Path(examples=["7"])]


@routes.serve
async def list_deleted_studies(parent: InLocation, deleted: Deleted) -> Response:
    """List the studies that can be restored, the last deleted first."""
    found = await deleted.of_location(parent)
    return Answer(wire.ListDeletedStudiesResponse(deleted_studies=[_deleted_study(one) for one in found]))


@routes.serve
async def undelete_study(
    parent: InLocation, deleted_study: DeletedPart, body: wire.UndeleteStudyRequest, deleted: Deleted
) -> Response:
    """Restore a deleted study with its trials and files."""
    return answers.study(await deleted.undelete(parent, deleted_study, body.study_id, body.request_id))


@routes.serve
async def purge_study(
    parent: InLocation, deleted_study: DeletedPart, deleted: Deleted, request_id: RequestId = ""
) -> Response:
    """Purge a deleted study: its trials and files are lost permanently."""
    await deleted.purge(parent, deleted_study, request_id)
    return Answer(wire.Empty())


def _deleted_study(value: DeletedStudy) -> wire.DeletedStudy:
    return wire.DeletedStudy(
        name=f"{value.name.parent}/deletedStudies/{value.key}",
        study=str(value.name),
        display_name=value.display_name,
        trial_count=value.trial_count,
        delete_time=timestamp(value.delete_time),
        purge_time=timestamp(value.purge_time),
    )
