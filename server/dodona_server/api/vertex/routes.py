"""The routes of the Vertex dialect. The calls of the trial loop come first: routes are tried in order."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from dodona_schemas import vertex as wire
from dodona_schemas.status import ErrorResponse
from dodona_server.api.paging import MAX_PAGE_SIZE, page_size, read_place, read_token, write_place, write_token
from dodona_server.api.route import Answer, InLocation, LenientRoute, OfStudy, OfTrial, PageSize, PageToken, RequestId
from dodona_server.api.streaming import in_pieces
from dodona_server.api.vertex import render
from dodona_server.api.vertex.loop import Loop, View, read_view
from dodona_server.api.vertex.spec import read_parameters, read_spec
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.lifecycle import StudyVerb
from dodona_server.domain.names import TrialName
from dodona_server.service.reports import Report, Result
from dodona_server.service.studies import StudyService
from dodona_server.service.trial_queries import TrialQueries
from dodona_server.service.trials import TrialService

LOCATION = "/v1/projects/{project}/locations/{location}"
STUDY = LOCATION + "/studies/{study}"
TRIAL = STUDY + "/trials/{trial}"

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "The request is not valid, or not in this state"},
    404: {"model": ErrorResponse, "description": "There is no such resource"},
    503: {"model": ErrorResponse, "description": "Not now; send the same request again"},
}
LOST: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorResponse, "description": "The attempt was lost: the trial was handed on, or has ended"}
}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorResponse, "description": "The name belongs to a study with another spec"}
}


async def _view(
    request: Request,
    _view: Annotated[
        str, Query(alias="view", description="Dodona's own: BASIC for trials without their measurements")
    ] = "",
) -> View:
    """The view that the query asks for."""
    return read_view(request.scope["query_string"])


OfView = Annotated[View, Depends(_view)]


def _router() -> APIRouter:
    return APIRouter(route_class=LenientRoute, responses=ERRORS)


def trial_router(queries: TrialQueries, trials: TrialService, loop: Loop) -> APIRouter:
    """The calls about trials; those of the trial loop are answered before they get here, see `loop`."""
    router = _router()

    @router.post(STUDY + "/trials:suggest", response_model=wire.Operation, tags=["trials"])
    async def suggest_trials(study: OfStudy, body: wire.SuggestTrialsRequest, view: OfView) -> Response:
        """Hands out trials: the client's own unfinished ones, then queued ones, then new ones."""
        return Answer(await loop.suggest(study, body, view))

    @router.post(TRIAL + ":addTrialMeasurement", response_model=wire.Trial, responses=LOST, tags=["trials"])
    async def add_trial_measurement(trial: OfTrial, body: wire.AddTrialMeasurementRequest, view: OfView) -> Response:
        """Reports a measurement; the answer's state STOPPING tells the worker to stop early."""
        return Answer(await loop.measure(trial, body, view))

    @router.post(TRIAL + ":complete", response_model=wire.Trial, responses=LOST, tags=["trials"])
    async def complete_trial(trial: OfTrial, body: wire.CompleteTrialRequest, view: OfView) -> Response:
        """Ends a trial with a final measurement, with the last one reported, or as infeasible."""
        return Answer(await loop.complete(trial, body, view))

    @router.post(TRIAL + ":stop", response_model=wire.Trial, tags=["trials"])
    async def stop_trial(trial: OfTrial, body: wire.EmptyRequest, view: OfView) -> Response:
        """Asks the worker to end the trial early."""
        return Answer(await loop.shown(trial.study, await trials.stop(trial, body.request_id), view))

    @router.post(TRIAL + ":heartbeat", response_model=wire.Trial, responses=LOST, tags=["trials"])
    async def heartbeat_trial(trial: OfTrial, body: wire.HeartbeatTrialRequest, view: OfView) -> Response:
        """Dodona's own: a sign of life; the trial's lease begins anew, the state STOPPING says «stop early»."""
        return Answer(await loop.beat(trial, body, view))

    @router.post(TRIAL + ":release", response_model=wire.Trial, responses=LOST, tags=["trials"])
    async def release_trial(trial: OfTrial, body: wire.ReleaseTrialRequest, view: OfView) -> Response:
        """Dodona's own: hands a trial back, to be run by another worker."""
        released = await trials.release(trial, render.read_attempt(body), body.request_id)
        return Answer(await loop.shown(trial.study, released, view))

    @router.post(STUDY + "/trials:report", response_model=wire.ReportTrialsResponse, responses=LOST, tags=["trials"])
    async def report_trials(study: OfStudy, body: wire.ReportTrialsRequest, view: OfView) -> Response:
        """Dodona's own: reports several measurements of the study's trials, all of them or none."""
        reports = [
            (
                TrialName.of(study, report.trial),
                Report(
                    render.read_measurement(report.measurement),
                    render.read_attempt(report),
                    report.checkpoint or "",
                ),
            )
            for report in body.reports
        ]
        measured = await trials.measure_all(study, reports, body.request_id)
        if view is View.FULL:
            measured = await queries.measured(study, measured)
        return Answer(wire.ReportTrialsResponse(trials=[render.trial(study, one) for one in measured]))

    @router.post(TRIAL + ":updateMetadata", response_model=wire.Trial, tags=["trials"])
    async def update_trial_metadata(trial: OfTrial, body: wire.UpdateMetadataRequest, view: OfView) -> Response:
        """Dodona's own: sets or removes entries of the trial's metadata."""
        changed = await trials.update_metadata(trial, body.metadata, body.request_id)
        return Answer(await loop.shown(trial.study, changed, view))

    @router.post(STUDY + "/trials:listOptimalTrials", response_model=wire.ListOptimalTrialsResponse, tags=["trials"])
    async def list_optimal_trials(study: OfStudy, _body: wire.EmptyRequest, view: OfView) -> Response:
        """The trials with the best value; the Pareto front of a study with several metrics."""
        optimal = await queries.optimal(study)
        shown = optimal.trials if view is View.BASIC else await queries.measured(study, optimal.trials)
        return Answer(
            wire.ListOptimalTrialsResponse(
                optimal_trials=[render.trial(study, one) for one in shown],
                hypervolume=optimal.hypervolume,
                reference_point=render.metrics(optimal.reference) or None,
            )
        )

    @router.post(STUDY + "/trials", response_model=wire.Trial, tags=["trials"])
    async def create_trial(study: OfStudy, body: wire.CreateTrialRequest, view: OfView) -> Response:
        """Queues a trial with values that the user chose; with state SUCCEEDED or INFEASIBLE, adds one that is done."""
        result = None
        measured = [render.read_measurement(one) for one in body.measurements or ()]
        if body.state in (wire.TrialState.SUCCEEDED, wire.TrialState.INFEASIBLE):
            final = render.read_final(body.final_measurement)
            failed = body.state is wire.TrialState.INFEASIBLE
            reason = (body.infeasible_reason or "the client gave no reason") if failed else ""
            result = Result(final, measured, reason)
        parameters = render.read_parameters(body.parameters)
        created = await trials.create(study, parameters, result, body.request_id or None, body.metadata, measured)
        return Answer(await loop.shown(study, created, view))

    @router.get(STUDY + "/trials", response_model=wire.ListTrialsResponse, tags=["trials"])
    async def list_trials(
        study: OfStudy,
        size: PageSize = 0,
        token: PageToken = "",
        view: OfView = View.FULL,
        order_by: Annotated[
            str, Query(alias="orderBy", description="'objective' for the succeeded ones, best first")
        ] = "",
    ) -> Response:
        """The trials in the order of their numbers, all of them unless pages are asked for."""
        if order_by not in ("", "objective"):
            raise InvalidArgument(f"{order_by!r} is neither empty nor 'objective'", "orderBy")
        if order_by:
            ranked, last = await queries.ranking(study, read_place(order_by, token), page_size(size))
            more = "" if last is None else write_place(order_by, last)
            if view is View.FULL:
                ranked = await queries.measured(study, ranked)
            listed = [render.trial(study, one) for one in ranked]
            return Answer(wire.ListTrialsResponse(trials=listed, next_page_token=more))
        after = read_token(order_by, token)
        if size == 0:
            first = await queries.page(study, after, MAX_PAGE_SIZE)
            pieces = in_pieces(
                "trials",
                first,
                lambda last: queries.page(study, last.number, MAX_PAGE_SIZE),
                lambda one: render.trial(study, one),
                end=b'],"nextPageToken":""}',
            )
            return StreamingResponse(pieces, media_type="application/json")
        limit = page_size(size)
        page = await queries.page(study, after, limit + 1)
        more = write_token(order_by, page[limit - 1].number) if len(page) > limit else ""
        rendered = [render.trial(study, one) for one in page[:limit]]
        return Answer(wire.ListTrialsResponse(trials=rendered, next_page_token=more))

    @router.get(TRIAL, response_model=wire.Trial, tags=["trials"])
    async def get_trial(trial: OfTrial) -> Response:
        """A trial with its measurements."""
        return Answer(render.trial(trial.study, await queries.get(trial)))

    @router.delete(TRIAL, response_model=wire.Empty, tags=["trials"])
    async def delete_trial(trial: OfTrial, request_id: RequestId = "") -> Response:
        """Removes a trial and its measurements."""
        await trials.delete(trial, request_id)
        return Answer(wire.Empty())

    return router


def study_router(studies: StudyService) -> APIRouter:
    """The calls about studies."""
    router = _router()

    @router.post(LOCATION + "/studies", response_model=wire.Study, responses=_CONFLICT, tags=["studies"])
    async def create_study(parent: InLocation, body: wire.CreateStudyRequest) -> Response:
        """Creates a study; the same name with an equal spec gives the one there is."""
        spec = read_spec(body.study_spec)
        seed = body.study_spec.seed
        created = await studies.create(
            parent, body.study_id or None, body.display_name, spec, seed, body.metadata, body.request_id
        )
        return Answer(render.study(created))

    @router.post(LOCATION + "/studies:lookup", response_model=wire.Study, tags=["studies"])
    async def lookup_study(parent: InLocation, body: wire.LookupStudyRequest) -> Response:
        """Finds a study by the name that people use."""
        return Answer(render.study(await studies.lookup(parent, body.display_name)))

    @router.get(LOCATION + "/studies", response_model=wire.ListStudiesResponse, tags=["studies"])
    async def list_studies(parent: InLocation, size: PageSize = 0, token: PageToken = "") -> Response:
        """The studies in the order they were created."""
        limit = page_size(size)
        listed = await studies.page(parent, read_token("studies", token), limit + 1)
        more = write_token("studies", listed[limit - 1].key) if len(listed) > limit else ""
        rendered = [render.study(one) for one in listed[:limit]]
        return Answer(wire.ListStudiesResponse(studies=rendered, next_page_token=more))

    @router.post(STUDY + ":addParameters", response_model=wire.Study, tags=["studies"])
    async def add_parameters(study: OfStudy, body: wire.AddParametersRequest) -> Response:
        """Dodona's own: grows the search space; parameters that are there already may be among them."""
        added = read_parameters(body.parameters)
        return Answer(render.study(await studies.add_parameters(study, added, body.request_id)))

    @router.post(STUDY + ":updateMetadata", response_model=wire.Study, tags=["studies"])
    async def update_study_metadata(study: OfStudy, body: wire.UpdateMetadataRequest) -> Response:
        """Dodona's own: sets or removes entries of the study's metadata."""
        return Answer(render.study(await studies.update_metadata(study, body.metadata, body.request_id)))

    @router.post(STUDY + ":setMaxTrials", response_model=wire.Study, tags=["studies"])
    async def set_max_trials(study: OfStudy, body: wire.SetMaxTrialsRequest) -> Response:
        """Dodona's own: gives the study another budget of trials; a completed one goes on if it is more than before."""
        return Answer(render.study(await studies.set_max_trials(study, body.max_num_trials, body.request_id)))

    @router.post(STUDY + ":pause", response_model=wire.Study, tags=["studies"])
    async def pause_study(study: OfStudy, body: wire.PauseStudyRequest) -> Response:
        """Dodona's own: hands no trials out until the study is resumed; those that run may go on."""
        return Answer(render.study(await studies.move(study, StudyVerb.PAUSE, body.reason, body.request_id)))

    @router.post(STUDY + ":resume", response_model=wire.Study, tags=["studies"])
    async def resume_study(study: OfStudy, body: wire.EmptyRequest) -> Response:
        """Dodona's own: hands trials out again, of a paused study or of a completed one with budget left."""
        return Answer(render.study(await studies.move(study, StudyVerb.RESUME, request_id=body.request_id)))

    @router.post(STUDY + ":complete", response_model=wire.Study, tags=["studies"])
    async def complete_study(study: OfStudy, body: wire.EmptyRequest) -> Response:
        """Dodona's own: tells every worker that asks that the study is done; trials that run may go on."""
        return Answer(render.study(await studies.move(study, StudyVerb.COMPLETE, request_id=body.request_id)))

    @router.get(STUDY, response_model=wire.Study, tags=["studies"])
    async def get_study(study: OfStudy) -> Response:
        """A study with its spec and state."""
        return Answer(render.study(await studies.get(study)))

    @router.delete(STUDY, response_model=wire.Empty, tags=["studies"])
    async def delete_study(study: OfStudy, request_id: RequestId = "") -> Response:
        """Removes a study with its trials."""
        await studies.delete(study, request_id)
        return Answer(wire.Empty())

    return router
