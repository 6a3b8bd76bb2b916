"""Calls of the Vertex dialect about studies."""

from __future__ import annotations

from fastapi import Request, Response

from dodona_schemas import vertex as wire
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.paging import page_size, read_token, write_token
from dodona_server.api.front.principal import note
from dodona_server.api.front.route import InLocation, OfPrincipal, OfStudy, PageSize, PageToken, RequestId, Routes
from dodona_server.api.vertex import answers, render
from dodona_server.api.vertex.hints import read_hints, read_named_priors
from dodona_server.api.vertex.space import read_parameters
from dodona_server.api.vertex.spec import check_rule, read_budget, read_spec, read_stopping_rule, write_spec
from dodona_server.aside import aside
from dodona_server.domain.access.roles import check_visible
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.parts import Hindsights, ProjectQuotas, Steering, Studies, Used

routes = Routes(Dialect.VERTEX, Dialect.OWN)


@routes.serve
async def create_study(
    request: Request,
    parent: InLocation,
    body: wire.CreateStudyRequest,
    studies: Studies,
    quotas: ProjectQuotas,
    principal: OfPrincipal,
) -> Response:
    """Create a study; the same name with an equal spec returns the existing one. `validateOnly` creates nothing."""
    spec = await aside(read_spec, body.study_spec)
    check_visible(principal, spec.prior_studies)
    await quotas.check_metadata(parent.project, body.metadata)
    seed = body.study_spec.seed
    if body.validate_only:
        studies.check(body.display_name or body.study_id or "", spec)
        return Answer(wire.Study(display_name=body.display_name, study_spec=write_spec(spec, seed or 0)))
    created = await studies.create(
        parent, body.study_id or None, body.display_name, spec, seed, body.metadata, body.request_id
    )
    note(request.scope, target=str(created.name))
    return answers.study(created)


@routes.serve
async def lookup_study(parent: InLocation, body: wire.LookupStudyRequest, studies: Studies) -> Response:
    """Find a study by its display name."""
    return answers.study(await studies.lookup(parent, body.display_name))


@routes.serve
async def list_studies(parent: InLocation, studies: Studies, size: PageSize = 0, token: PageToken = "") -> Response:
    """List the studies in the order of creation."""
    page = await studies.page(parent, read_token("studies", token), page_size(size))
    more = write_token("studies", page.entries[-1].key) if page.more else ""
    return answers.listing(
        wire.ListStudiesResponse(next_page_token=more),
        "studies",
        lambda enums_as_numbers: (answers.study_pieces(one, enums_as_numbers) for one in page.entries),
    )


@routes.serve
async def add_parameters(study: OfStudy, body: wire.AddParametersRequest, studies: Studies) -> Response:
    """Add parameters to the search space; existing ones may be repeated."""
    added = await aside(read_parameters, body.parameters)
    return answers.study(await studies.add_parameters(study, added, read_hints(body.parameters), body.request_id))


@routes.serve
async def update_study_metadata(
    study: OfStudy, body: wire.UpdateMetadataRequest, studies: Studies, quotas: ProjectQuotas
) -> Response:
    """Set or remove entries of the study's metadata."""
    await quotas.check_metadata(study.parent.project, body.metadata)
    return answers.study(await studies.update_metadata(study, body.metadata, body.request_id))


@routes.serve
async def set_max_trials(study: OfStudy, body: wire.SetMaxTrialsRequest, steering: Steering) -> Response:
    """Change the study's budget of trials; a larger budget resumes a completed study."""
    return answers.study(await steering.set_max_trials(study, body.max_num_trials, body.request_id))


@routes.serve
async def set_budget(study: OfStudy, body: wire.SetBudgetRequest, steering: Steering) -> Response:
    """Replace the study's budget; a completed study resumes if only its old budget was used up."""
    budget = await aside(read_budget, body.study_stopping_config)
    return answers.study(await steering.set_budget(study, budget, body.request_id))


@routes.serve
async def set_stopping_rule(study: OfStudy, body: wire.SetStoppingRuleRequest, steering: Steering) -> Response:
    """Replace the rule that stops trials early; it judges running trials by their next reports."""
    rule = await aside(read_stopping_rule, body)
    return answers.study(await steering.set_stopping_rule(study, rule, check_rule, body.request_id))


@routes.serve
async def set_priors(study: OfStudy, body: wire.SetPriorsRequest, steering: Steering) -> Response:
    """Set what is believed of parameters; one without values removes it. The next suggestions count with it."""
    return answers.study(await steering.set_hints(study, await aside(read_named_priors, body), body.request_id))


@routes.serve
async def get_outlook(study: OfStudy, used: Used) -> Response:
    """Return what the study has used of its budget, what is left, and the chance of a clear improvement."""
    return Answer(render.outlook(*await used.of(study)))


@routes.serve
async def replay_stopping(study: OfStudy, hindsight: Hindsights) -> Response:
    """Return what the stopping rule "auto" would have saved in a study without a rule."""
    found = await hindsight.auto(study)
    answer = wire.ReplayStoppingResponse(summary=found.sentence)
    if (done := found.replay) is not None:
        answer.trial_count, answer.stopped_trial_count = done.trials, done.stopped
        answer.saved_share = done.saved
        answer.lost_trial = "" if done.lost is None else str(TrialName(study, done.lost))
    return Answer(answer)


@routes.serve
async def rename_study(study: OfStudy, body: wire.RenameStudyRequest, steering: Steering) -> Response:
    """Set the study's display name; its id stays, and workers find it by its first name too."""
    return answers.study(await steering.rename(study, body.display_name, body.request_id))


@routes.serve
async def set_wanted_workers(study: OfStudy, body: wire.SetWantedWorkersRequest, steering: Steering) -> Response:
    """Set how many workers the study should have; the commands that start workers follow the number."""
    return answers.study(await steering.set_wanted_workers(study, body.wanted_workers, body.request_id))


@routes.serve
async def archive_study(study: OfStudy, body: wire.EmptyRequest, steering: Steering) -> Response:
    """Archive the study: lists of studies for people omit it; nothing else changes."""
    return answers.study(await steering.archive(study, True, body.request_id))


@routes.serve
async def unarchive_study(study: OfStudy, body: wire.EmptyRequest, steering: Steering) -> Response:
    """Remove the study from the archive."""
    return answers.study(await steering.archive(study, False, body.request_id))


@routes.serve
async def pause_study(study: OfStudy, body: wire.PauseStudyRequest, studies: Studies) -> Response:
    """Assign no more trials until the study is resumed; running ones may continue."""
    return answers.study(await studies.move(study, StudyVerb.PAUSE, body.reason, body.request_id))


@routes.serve
async def resume_study(study: OfStudy, body: wire.EmptyRequest, studies: Studies) -> Response:
    """Resume a paused study, or a completed one with budget left."""
    return answers.study(await studies.move(study, StudyVerb.RESUME, request_id=body.request_id))


@routes.serve
async def complete_study(study: OfStudy, body: wire.EmptyRequest, studies: Studies) -> Response:
    """Complete the study, so that workers stop asking; running trials may continue."""
    return answers.study(await studies.move(study, StudyVerb.COMPLETE, request_id=body.request_id))


@routes.serve
async def get_study(study: OfStudy, studies: Studies) -> Response:
    """Return a study with its spec and state."""
    return answers.study(await studies.get(study))


@routes.serve
async def delete_study(study: OfStudy, studies: Studies, request_id: RequestId = "") -> Response:
    """Delete a study with its trials."""
    await studies.delete(study, request_id)
    return Answer(wire.Empty())
