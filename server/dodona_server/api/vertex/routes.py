"""Calls of the Vertex dialect about trials."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.paging import (
    MAX_PAGE_SIZE,
    page_size,
    read_ranking_token,
    read_token,
    write_ranking_token,
    write_token,
)
from dodona_server.api.front.route import OfStudy, OfTrial, PageSize, PageToken, RequestId, Routes
from dodona_server.api.front.streaming import all_pages
from dodona_server.api.vertex import answers, render
from dodona_server.api.vertex.loop import TrialCalls, View, read_view
from dodona_server.aside import aside
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.page import Page
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.parts import Explained, ProjectQuotas, Queries, Trials, part
from dodona_server.service.trials.queries import Filtered
from dodona_server.service.trials.reports import Report, Result


async def _view(
    request: Request,
    _view: Annotated[
        str, Query(alias="view", description="Dodona's own: BASIC for trials without their measurements")
    ] = "",
) -> View:
    """Return the view that the query asks for."""
    return read_view(request.scope["query_string"])


OfView = Annotated[View, Depends(_view)]
Calls = Annotated[TrialCalls, part("calls")]
OrderBy = Annotated[
    str,
    Query(
        alias="orderBy",
        description="'objective' for the succeeded ones, best first; Dodona's own: any column, as in 'loss desc'",
        examples=["objective"],
    ),
]
Filter = Annotated[
    str,
    Query(
        description="Dodona's own: only trials for which an expression of their columns is true",
        examples=["trial > 1"],
    ),
]


routes = Routes(Dialect.VERTEX, Dialect.OWN)


@routes.serve
async def suggest_trials(study: OfStudy, body: wire.SuggestTrialsRequest, view: OfView, calls: Calls) -> Response:
    """Return trials to run: the client's own unfinished ones, then queued ones, then new ones."""
    return await calls.suggest_trials(study, body, view)


@routes.serve
async def add_trial_measurement(
    trial: OfTrial, body: wire.AddTrialMeasurementRequest, view: OfView, calls: Calls
) -> Response:
    """Report a measurement; state STOPPING in the answer tells the worker to stop early."""
    return await calls.add_trial_measurement(trial, body, view)


@routes.serve
async def complete_trial(trial: OfTrial, body: wire.CompleteTrialRequest, view: OfView, calls: Calls) -> Response:
    """Complete a trial with a final measurement, with the last one reported, or as infeasible."""
    return await calls.complete_trial(trial, body, view)


@routes.serve
async def stop_trial(trial: OfTrial, body: wire.EmptyRequest, view: OfView, trials: Trials, calls: Calls) -> Response:
    """Ask the worker to end the trial early."""
    return await calls.shown(trial.study, await trials.stop(trial, body.request_id), view)


@routes.serve
async def heartbeat_trial(trial: OfTrial, body: wire.HeartbeatTrialRequest, view: OfView, calls: Calls) -> Response:
    """Renew the trial's lease; state STOPPING in the answer tells the worker to stop early."""
    return await calls.heartbeat_trial(trial, body, view)


@routes.serve
async def release_trial(
    trial: OfTrial, body: wire.ReleaseTrialRequest, view: OfView, trials: Trials, calls: Calls
) -> Response:
    """Release a trial, so that another worker can run it."""
    released = await trials.release(trial, render.read_attempt(body), body.request_id)
    return await calls.shown(trial.study, released, view)


@routes.serve
async def report_trials(
    study: OfStudy, body: wire.ReportTrialsRequest, view: OfView, queries: Queries, trials: Trials
) -> Response:
    """Report several measurements of the study's trials, all of them or none."""
    measured = await trials.measure_all(study, await aside(_read_reports, study, body), body.request_id)
    if view is View.FULL:
        measured = await queries.measured(study, measured)
    return answers.listing(
        wire.ReportTrialsResponse(),
        "trials",
        lambda enums_as_numbers: (answers.trial_pieces(study, one, enums_as_numbers) for one in measured),
    )


@routes.serve
async def update_trial_metadata(
    trial: OfTrial,
    body: wire.UpdateMetadataRequest,
    view: OfView,
    trials: Trials,
    calls: Calls,
    quotas: ProjectQuotas,
) -> Response:
    """Set or remove entries of the trial's metadata."""
    await quotas.check_metadata(trial.study.parent.project, body.metadata)
    changed = await trials.update_metadata(trial, body.metadata, body.request_id)
    return await calls.shown(trial.study, changed, view)


@routes.serve
async def list_optimal_trials(study: OfStudy, _body: wire.EmptyRequest, view: OfView, queries: Queries) -> Response:
    """List the trials with the best value, or the Pareto front if the study has several metrics."""
    optimal = await queries.optimal(study)
    numbers, measured = optimal.numbers, view is View.FULL
    return all_pages(
        wire.ListOptimalTrialsResponse(
            hypervolume=optimal.hypervolume, reference_point=render.metrics(optimal.reference) or None
        ),
        "optimal_trials",
        await queries.numbered(study, numbers, measured=measured),
        lambda last: queries.numbered(study, numbers[numbers.index(last.number) + 1 :], measured=measured),
        functools.partial(answers.trial_pieces, study),
    )


@routes.serve
async def create_trial(
    study: OfStudy, body: wire.CreateTrialRequest, view: OfView, trials: Trials, calls: Calls
) -> Response:
    """Queue a trial with values that the user chose; with state SUCCEEDED or INFEASIBLE, add a finished one."""
    parameters, measured, result = await aside(_read_trial, body)
    created = await trials.create(study, parameters, result, body.request_id or None, body.metadata, measured)
    return await calls.shown(study, created, view)


@routes.serve
async def list_trials(
    study: OfStudy,
    queries: Queries,
    size: PageSize = 0,
    token: PageToken = "",
    view: OfView = View.FULL,
    order_by: OrderBy = "",
    filter: Filter = "",  # noqa: A002 - the field's name
) -> Response:
    """List the trials in the order of their numbers, all of them unless pages are asked for."""
    if filter or order_by not in ("", "objective"):
        return await _filtered(study, queries, Filtered(filter, order_by), size, token, view)
    if order_by:
        position, limit = read_ranking_token(order_by, token), page_size(size)
        ranked, last = await queries.ranking(study, position, limit, measured=view is View.FULL)
        more = "" if last is None else write_ranking_token(order_by, last)
        return answers.listing(
            wire.ListTrialsResponse(next_page_token=more),
            "trials",
            lambda enums_as_numbers: (answers.trial_pieces(study, one, enums_as_numbers) for one in ranked),
        )
    after, measured = read_token(order_by, token), view is View.FULL
    page = await queries.page(study, after, page_size(size), measured=measured)
    if size == 0:
        return all_pages(
            wire.ListTrialsResponse(),
            "trials",
            page,
            lambda last: queries.page(study, last.number, MAX_PAGE_SIZE, measured=measured),
            functools.partial(answers.trial_pieces, study),
        )
    more = write_token(order_by, page.entries[-1].number) if page.more else ""
    return answers.listing(
        wire.ListTrialsResponse(next_page_token=more),
        "trials",
        lambda enums_as_numbers: (answers.trial_pieces(study, one, enums_as_numbers) for one in page.entries),
    )


async def _filtered(
    study: StudyName, queries: Queries, wanted: Filtered, size: int, token: str, view: View
) -> Response:
    """Return the answer with the trials that match; all of them, if they are in order and no page is asked for."""
    measured = view is View.FULL
    # A page's token is one of the same list only.
    order = hashlib.sha256(f"{wanted.order}\n{wanted.filter}".encode()).hexdigest()[:16]
    skipped, limit = read_token(order, token), page_size(size)
    page = await queries.filtered(study, replace(wanted, skipped=skipped, limit=limit), measured=measured)
    if size == 0 and not wanted.order:

        async def following(last: Trial) -> Page[Trial]:
            return await queries.filtered(study, replace(wanted, after=last.number), measured=measured)

        pieces = functools.partial(answers.trial_pieces, study)
        return all_pages(wire.ListTrialsResponse(), "trials", page, following, pieces)
    more = write_token(order, skipped + len(page.entries)) if page.more else ""
    return answers.listing(
        wire.ListTrialsResponse(next_page_token=more),
        "trials",
        lambda enums_as_numbers: (answers.trial_pieces(study, one, enums_as_numbers) for one in page.entries),
    )


@routes.serve
async def get_trial(trial: OfTrial, view: OfView, queries: Queries) -> Response:
    """Return a trial with its measurements."""
    return answers.trial(trial.study, await queries.get(trial, measured=view is View.FULL))


@routes.serve
async def explain_trial(trial: OfTrial, explanations: Explained) -> Response:
    """Return why a trial was suggested, what the algorithm expected of it, and its result."""
    return Answer(render.why(trial.study, await explanations.of(trial)))


@routes.serve
async def delete_trial(trial: OfTrial, trials: Trials, request_id: RequestId = "") -> Response:
    """Delete a trial and its measurements."""
    await trials.delete(trial, request_id)
    return Answer(wire.Empty())


def _read_reports(study: StudyName, body: wire.ReportTrialsRequest) -> list[tuple[TrialName, Report]]:
    return [
        (
            TrialName.of(study, report.trial),
            Report(
                render.read_measurement(report.measurement),
                render.read_attempt(report),
                report.checkpoint or "",
                report.execution or 0,
            ),
        )
        for report in body.reports
    ]


def _read_trial(body: wire.CreateTrialRequest) -> tuple[dict[str, object], list[Measurement], Result | None]:
    """Return the values, the measurements and, for a finished trial, the result of a trial that a user adds."""
    measured = [render.read_measurement(one) for one in body.measurements or ()]
    parameters = render.read_parameters(body.parameters)
    if body.state not in (wire.TrialState.SUCCEEDED, wire.TrialState.INFEASIBLE):
        return parameters, measured, None
    final = render.read_final(body.final_measurement)
    failed = body.state is wire.TrialState.INFEASIBLE
    reason = (body.infeasible_reason or "the client gave no reason") if failed else ""
    return parameters, measured, Result(final, measured, reason, bool(body.stopped) and not failed)
