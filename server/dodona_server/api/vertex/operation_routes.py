"""The routes of operations, under `/v1` and under `/ui`, where Google's SDK looks for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from dodona_schemas import vertex as wire
from dodona_server.api.paging import page_size, read_text_token, write_token
from dodona_server.api.route import Answer, InLocation, LenientRoute, OfTrial, PageSize, PageToken
from dodona_server.api.vertex import render
from dodona_server.api.vertex.routes import ERRORS
from dodona_server.service.operations import OperationService

_LOCATION = "/projects/{project}/locations/{location}"
# An operation's id is its own: the study and the trial in the path add nothing to it.
_PARENTS = (_LOCATION, _LOCATION + "/studies/{study}", _LOCATION + "/studies/{study}/trials/{trial}")
_ORDER = "operations"


def operation_router(operations: OperationService) -> APIRouter:
    """The calls about operations, and the check that answers with one."""
    router = APIRouter(route_class=LenientRoute, responses=ERRORS, tags=["operations"])

    @router.post(
        "/v1" + _PARENTS[2] + ":checkTrialEarlyStoppingState",
        response_model=wire.EarlyStoppingOperation,
        tags=["trials"],
    )
    async def check_trial_early_stopping_state(trial: OfTrial, _body: wire.EmptyRequest) -> Response:
        """Whether the trial should stop early; the answer to a report says so too."""
        return Answer(render.operation(await operations.check_stopping(trial)))

    for version in ("/v1", "/ui"):
        for parent in _PARENTS:
            _add(router, operations, version + parent + "/operations", in_schema=version == "/v1")
    return router


def _add(router: APIRouter, operations: OperationService, path: str, *, in_schema: bool) -> None:
    one = path + "/{operation}"
    either = wire.Operation | wire.EarlyStoppingOperation

    @router.get(path, response_model=wire.ListOperationsResponse, include_in_schema=in_schema)
    async def list_operations(
        parent: InLocation, study: str | None = None, size: PageSize = 0, token: PageToken = ""
    ) -> Response:
        """The calls to suggest; checks are not listed, since nothing of them is kept."""
        limit = page_size(size)
        listed = await operations.page(parent, study, read_text_token(_ORDER, token), limit + 1)
        more = write_token(_ORDER, listed[limit - 1].name.operation_id) if len(listed) > limit else ""
        rendered = [render.suggestion(handout) for handout in listed[:limit]]
        return Answer(wire.ListOperationsResponse(operations=rendered, next_page_token=more))

    @router.get(one, response_model=either, include_in_schema=in_schema)
    async def get_operation(parent: InLocation, operation: str) -> Response:
        """What an earlier call was answered with, its trials as they are now."""
        return Answer(render.operation(await operations.get(parent, operation)))

    @router.post(one + ":wait", response_model=either, include_in_schema=in_schema)
    async def wait_operation(
        parent: InLocation,
        operation: str,
        _body: wire.EmptyRequest,
        _timeout: Annotated[str, Query(alias="timeout", description="Not needed: every operation is done")] = "",
    ) -> Response:
        """The same: there is nothing to wait for."""
        return Answer(render.operation(await operations.get(parent, operation)))

    @router.post(one + ":cancel", response_model=wire.Empty, include_in_schema=in_schema)
    async def cancel_operation(parent: InLocation, operation: str, _body: wire.EmptyRequest) -> Response:
        """Nothing: every operation is done, and what is done cannot be cancelled."""
        await operations.get(parent, operation)
        return Answer(wire.Empty())

    @router.delete(one, response_model=wire.Empty, include_in_schema=in_schema)
    async def delete_operation(parent: InLocation, operation: str) -> Response:
        """Forgets the operation; its trials stay."""
        await operations.delete(parent, operation)
        return Answer(wire.Empty())
