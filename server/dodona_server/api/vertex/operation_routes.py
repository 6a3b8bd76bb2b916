"""Calls about operations, below `/v1` and where Google's SDK looks for them."""

from __future__ import annotations

import functools
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import Dialect
from dodona_server.api.calls.table import GOOGLE_ROOT
from dodona_server.api.front.answer import Answer, written
from dodona_server.api.front.paging import page_size, read_text_token, write_token
from dodona_server.api.front.route import InLocation, OfTrial, PageSize, PageToken, RequestId, Routes
from dodona_server.api.vertex import answers, render
from dodona_server.api.vertex.loop import View
from dodona_server.api.vertex.routes import OfView
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.parts import Operations
from dodona_server.service.operations import StopCheck, SuggestResult

_ORDER = "operations"


async def _parent(parent: InLocation, request: Request) -> Location:
    """Return the location in the path; a study and a trial after it must be valid names, and have no effect."""
    if "study" in request.path_params:
        study = StudyName(parent, request.path_params["study"])
        if "trial" in request.path_params:
            TrialName.of(study, request.path_params["trial"])
    return parent


async def _for_google(request: Request) -> bool:
    """Return whether the call came to the path where Google's SDK looks for operations."""
    path: str = request.scope["route"].path
    return path.startswith(GOOGLE_ROOT)


OfParent = Annotated[Location, Depends(_parent)]
ForGoogle = Annotated[bool, Depends(_for_google)]


routes = Routes(Dialect.VERTEX)


@routes.serve
async def check_trial_early_stopping_state(
    trial: OfTrial, _body: wire.EmptyRequest, operations: Operations
) -> Response:
    """Check whether the trial should stop early; the answer to a report says so too."""
    return Answer(render.stop_check(await operations.check_stopping(trial)))


@routes.serve
async def list_operations(
    parent: OfParent,
    operations: Operations,
    for_google: ForGoogle,
    view: OfView,
    study: str | None = None,
    size: PageSize = 0,
    token: PageToken = "",
) -> Response:
    """List the calls to suggest; early-stopping checks are not stored, so they are not listed."""
    after, measured = read_text_token(_ORDER, token), view is View.FULL
    page = await operations.page(parent, study, after, page_size(size), measured=measured)
    more = write_token(_ORDER, page.entries[-1].name.operation_id) if page.more else ""
    return answers.listing(
        wire.ListOperationsResponse(next_page_token=more),
        "operations",
        lambda enums_as_numbers: (
            answers.suggestion_pieces(result, enums_as_numbers, for_google=for_google) for result in page.entries
        ),
    )


@routes.serve
async def get_operation(
    parent: OfParent, operation: str, operations: Operations, for_google: ForGoogle, view: OfView
) -> Response:
    """Return the answer of an earlier call, with its trials as they are now."""
    return _answered(await operations.get(parent, operation, measured=view is View.FULL), for_google=for_google)


@routes.serve
async def wait_operation(
    parent: OfParent,
    operation: str,
    _body: wire.EmptyRequest,
    operations: Operations,
    for_google: ForGoogle,
    view: OfView,
    _timeout: Annotated[str, Query(alias="timeout", description="Not needed: every operation is done")] = "",
) -> Response:
    """Return the same at once: there is nothing to wait for."""
    return _answered(await operations.get(parent, operation, measured=view is View.FULL), for_google=for_google)


@routes.serve
async def cancel_operation(
    parent: OfParent, operation: str, _body: wire.EmptyRequest, operations: Operations
) -> Response:
    """Do nothing: every operation is done, and cannot be cancelled."""
    await operations.get(parent, operation, measured=False)
    return Answer(wire.Empty())


@routes.serve
async def delete_operation(
    parent: OfParent, operation: str, operations: Operations, request_id: RequestId = ""
) -> Response:
    """Delete the operation; its trials stay."""
    await operations.delete(parent, operation, request_id)
    return Answer(wire.Empty())


def _answered(value: SuggestResult | StopCheck, *, for_google: bool) -> Response:
    if isinstance(value, StopCheck):
        return Answer(render.stop_check(value))
    return written(functools.partial(answers.suggestion_pieces, value, for_google=for_google))
