"""Calls of the AI Platform dialect."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Query, Request, Response

from dodona_schemas import caip as wire
from dodona_schemas.caip_vertex import ml_field
from dodona_schemas.vertex import Empty, EmptyRequest
from dodona_server.api.caip import answers, render
from dodona_server.api.caip.discovery import document
from dodona_server.api.caip.spec import read_spec
from dodona_server.api.calls.call import AIPLATFORM_ROOT, Dialect
from dodona_server.api.calls.fields import vertex_field
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.paging import MAX_PAGE_SIZE
from dodona_server.api.front.route import InLocation, LenientRoute, OfStudy, OfTrial, Routes
from dodona_server.api.front.streaming import all_pages
from dodona_server.api.vertex.loop import View
from dodona_server.api.vertex.routes import OfView
from dodona_server.aside import aside
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import StudyName
from dodona_server.domain.trials.trial import Measurement, Trial
from dodona_server.parts import Operations, Queries, Studies, Suggestions, Trials
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.reports import Report, Result

StudyId = Annotated[
    str,
    Query(alias="studyId", description="The last part of the study's name; by default, the server generates a number"),
]


class _CaipRoute(LenientRoute):
    """A route whose errors name fields as this dialect does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that renames the fields in errors."""
        handler = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handler(request)
            except InvalidArgument as error:
                raise InvalidArgument(error.problem, ml_field(vertex_field(error.field))) from error

        return translated


routes = Routes(Dialect.AIPLATFORM, route_class=_CaipRoute)


@routes.serve
async def suggest_trials(
    study: OfStudy, body: wire.MlSuggestTrialsRequest, view: OfView, queries: Queries, suggestions: Suggestions
) -> Response:
    """Return trials to run: the client's own unfinished ones, then queued ones, then new ones."""
    request = SuggestRequest(body.client_id, body.suggestion_count)
    result = await suggestions.suggest(study, request)
    if view is View.FULL:
        result = dataclasses.replace(result, trials=await queries.measured(study, result.trials))
    return answers.operation(result)


@routes.serve
async def add_measurement(
    trial: OfTrial, body: wire.MlAddTrialMeasurementRequest, view: OfView, queries: Queries, trials: Trials
) -> Response:
    """Report a measurement."""
    report = Report(render.read_measurement(body.measurement))
    measured = await trials.measure(trial, report, measured=view is View.FULL)
    return await _shown(queries, view, trial.study, measured)


@routes.serve
async def check_early_stopping_state(trial: OfTrial, _body: EmptyRequest, operations: Operations) -> Response:
    """Check whether the trial should stop early."""
    return answers.operation(await operations.check_stopping(trial))


@routes.serve
async def stop_trial(trial: OfTrial, _body: EmptyRequest, view: OfView, queries: Queries, trials: Trials) -> Response:
    """Ask the worker to end the trial early."""
    return await _shown(queries, view, trial.study, await trials.stop(trial))


@routes.serve
async def complete_trial(
    trial: OfTrial, body: wire.MlCompleteTrialRequest, view: OfView, queries: Queries, trials: Trials
) -> Response:
    """Complete a trial with a final measurement, with the last one reported, or as infeasible."""
    if body.trial_infeasible:
        ended = await trials.fail(trial, body.infeasible_reason or "", measured=view is View.FULL)
    else:
        final = render.read_final(body.final_measurement)
        ended = await trials.complete(trial, final, measured=view is View.FULL)
    return await _shown(queries, view, trial.study, ended)


@routes.serve
async def list_optimal_trials(study: OfStudy, _body: EmptyRequest, view: OfView, queries: Queries) -> Response:
    """List the trials with the best value, or the Pareto front if the study has several metrics."""
    optimal = await queries.optimal(study)
    numbers, measured = optimal.numbers, view is View.FULL
    return all_pages(
        wire.MlListOptimalTrialsResponse(),
        "trials",
        await queries.numbered(study, numbers, measured=measured),
        lambda last: queries.numbered(study, numbers[numbers.index(last.number) + 1 :], measured=measured),
        functools.partial(answers.trial_pieces, study),
    )


@routes.serve
async def create_trial(study: OfStudy, body: wire.MlTrial, view: OfView, queries: Queries, trials: Trials) -> Response:
    """Queue a trial with values that the user chose; with state COMPLETED, add a finished one."""
    parameters, measured, result = await aside(_read_trial, body)
    created = await trials.create(study, parameters, result, None, measured=measured)
    return await _shown(queries, view, study, created)


@routes.serve
async def list_trials(study: OfStudy, view: OfView, queries: Queries) -> Response:
    """List all trials in the order of their numbers; those that should stop appear as ACTIVE."""
    measured = view is View.FULL
    return all_pages(
        wire.MlListTrialsResponse(),
        "trials",
        await queries.page(study, 0, MAX_PAGE_SIZE, measured=measured),
        lambda last: queries.page(study, last.number, MAX_PAGE_SIZE, measured=measured),
        functools.partial(answers.trial_pieces, study, listed=True),
    )


@routes.serve
async def get_trial(trial: OfTrial, view: OfView, queries: Queries) -> Response:
    """Return a trial with its measurements."""
    return answers.trial(trial.study, await queries.get(trial, measured=view is View.FULL))


@routes.serve
async def delete_trial(trial: OfTrial, trials: Trials) -> Response:
    """Delete a trial and its measurements."""
    await trials.delete(trial)
    return Answer(Empty())


def _read_trial(body: wire.MlTrial) -> tuple[dict[str, object], list[Measurement], Result | None]:
    """Return the values, the measurements and, for a finished trial, the result of a trial that a user adds."""
    measured = [render.read_measurement(one) for one in body.measurements or ()]
    done = body.state is wire.MlTrialState.COMPLETED
    result = Result(render.read_final(body.final_measurement), measured) if done else None
    return render.read_parameters(body.parameters), measured, result


@routes.serve
async def create_study(parent: InLocation, body: wire.MlStudy, studies: Studies, study_id: StudyId = "") -> Response:
    """Create a study; the same name with an equal configuration returns the existing one."""
    spec = await aside(read_spec, body.study_config)
    return answers.study(await studies.create(parent, study_id or None, "", spec, None))


@routes.serve
async def list_studies(parent: InLocation, studies: Studies) -> Response:
    """List all studies in the order of creation."""
    return all_pages(
        wire.MlListStudiesResponse(),
        "studies",
        await studies.page(parent, 0, MAX_PAGE_SIZE),
        lambda last: studies.page(parent, last.key, MAX_PAGE_SIZE),
        answers.study_pieces,
    )


@routes.serve
async def get_study(study: OfStudy, studies: Studies) -> Response:
    """Return a study with its configuration and state."""
    return answers.study(await studies.get(study))


@routes.serve
async def delete_study(study: OfStudy, studies: Studies) -> Response:
    """Delete a study with its trials."""
    await studies.delete(study)
    return Answer(Empty())


@routes.serve
async def get_operation(parent: InLocation, operation: str, view: OfView, operations: Operations) -> Response:
    """Return the answer of an earlier call, with its trials as they are now."""
    return answers.operation(await operations.get(parent, operation, measured=view is View.FULL))


@routes.serve
async def cancel_operation(parent: InLocation, operation: str, _body: EmptyRequest, operations: Operations) -> Response:
    """Do nothing: every operation is done, and cannot be cancelled."""
    await operations.get(parent, operation, measured=False)
    return Answer(Empty())


@routes.serve
async def get_discovery_document(request: Request) -> dict[str, Any]:
    """Describe this dialect to googleapiclient, with this server's address."""
    return await aside(document, f"{request.base_url}{AIPLATFORM_ROOT.lstrip('/')}/")


async def _shown(queries: TrialQueries, view: View, study: StudyName, trial: Trial) -> Response:
    if view is View.FULL:
        (trial,) = await queries.measured(study, [trial])
    return answers.trial(study, trial)
