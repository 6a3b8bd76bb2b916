"""New trials for a call: their parameters, and what their suggestions were based on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contexts import suggest_in
from dodona_server.algorithms.contract.algorithm import STAND_IN
from dodona_server.algorithms.registry import Problem, Request, Suggestion, algorithm_for
from dodona_server.domain.event import SERVER, Event, EventKind
from dodona_server.domain.reasons import shortened
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Study
from dodona_server.domain.studies.time_left import TOO_LATE
from dodona_server.domain.trials.explanation import EXPLANATION
from dodona_server.domain.trials.transitions import Draft, Facts, allowed_step
from dodona_server.domain.trials.trial import Trial
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.observation import metrics
from dodona_server.service.computing.asks import AlgorithmFailed, Computed, Source
from dodona_server.service.saving import save
from dodona_server.service.suggestions.lateness import are_late, is_too_late
from dodona_server.service.suggestions.look_ahead import PointsNeeded, spaces_of
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.storage import events
from dodona_server.storage.engine.store import Transaction, after_commit
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import trials

# How many trials created during a computation its points are compared with.
MAX_MADE_MEANWHILE = 1000
NOTHING_LEFT = "nothing is left to try"
WITHOUT_PARAMETERS = Suggestion({}, "the space has no parameters yet")


@dataclass(frozen=True, slots=True)
class SuggestRound:
    """One attempt to find trials for a call.

    Args:
        request: the client's.
        arrived: when the call arrived, in seconds since the epoch.
        waited_seconds: how long the call has waited for points.
        computed: points for it, if the algorithm computed any.
        failure: why the algorithm computed none, if it failed.
        failure_is_new: whether no earlier transaction has counted it.
        is_last: whether the call is answered even if there is no trial.
        before: the trials that earlier transactions of the same call assigned.
    """

    request: SuggestRequest
    arrived: float
    waited_seconds: float
    computed: Computed | None
    failure: AlgorithmFailed | None
    failure_is_new: bool
    is_last: bool
    before: Sequence[Trial] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """New trials, whether the search ends with them, and why."""

    trials: list[Trial]
    over: bool
    reason: str = NOTHING_LEFT


@dataclass(frozen=True, slots=True)
class _Points:
    """Suggestions for new trials, whether the search ends with them, and the metadata that all of them get.

    `late` is whether it ends because no trial can end before the study's time is over.
    """

    suggestions: Sequence[Suggestion]
    over: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    late: bool = False

    def metadata_of(self, suggestion: Suggestion) -> dict[str, str]:
        """Return the metadata of the suggestion's trial: why this point, and what it was based on."""
        # A point that is based on nothing has no other reason than its algorithm.
        about = {"suggestion/reason": shortened(suggestion.reason)} if self.metadata else {}
        if suggestion.parent is not None:
            about["suggestion/parent"] = str(suggestion.parent)
        if suggestion.explanation is not None:
            about[EXPLANATION] = suggestion.explanation.text
        return {**self.metadata, **about}


def create(
    transaction: Transaction, study: Study, this_round: SuggestRound, count: int, now: float
) -> Created | PointsNeeded:
    """Create up to `count` trials for the client; fewer if the budget or the search ends.

    Create none and return the points needed if the algorithm has to compute them first.
    """
    allowed = count if study.remaining_trials is None else min(count, study.remaining_trials)
    if allowed == 0:
        return Created([], over=count > 0)
    points = _new_points(transaction, study, this_round, allowed, now)
    if isinstance(points, PointsNeeded):
        return points
    if is_too_late(transaction, study, points.suggestions, now):
        return Created([], over=True, reason=TOO_LATE)
    over, reason = points.over or allowed < count, TOO_LATE if points.late else NOTHING_LEFT
    if not points.suggestions:
        return Created([], over, reason)
    request = this_round.request
    facts = Facts(now=now, actor=request.actor, lease=request.lease(now))
    drafts = [
        Draft(number, suggestion.stored, points.metadata_of(suggestion))
        for number, suggestion in enumerate(points.suggestions, start=study.next_trial_number)
    ]
    steps = [allowed_step(None, Verb.ASSIGN, dataclasses.replace(facts, draft=draft)) for draft in drafts]
    # Nobody has reported anything about them, so nobody has to read that.
    created = [dataclasses.replace(step.trial, measurements=()) for step in steps]
    trials.insert(transaction, study, created, lease_seconds=request.lease_seconds)
    studies.add_trials(transaction, study, len(created), suggested=len(created))
    for step in steps:
        save(transaction, study.key, step)
    return Created(created, over, reason)


def _new_points(
    transaction: Transaction, study: Study, this_round: SuggestRound, count: int, now: float
) -> _Points | PointsNeeded:
    """Return up to `count` points from the study's algorithm, or from its fallback."""
    spaces = spaces_of(study, this_round.request)
    if not study.spec.space.parameters:
        before = _before_any_parameter(transaction, study, count)
        if algorithm_for(study.spec.algorithm).traits.fallback is not None or not before.suggestions:
            return before
        # Each trial has to come from the algorithm.
        count = len(before.suggestions)
    return _suggested(transaction, study, spaces, this_round, count, now)


def fill(
    transaction: Transaction, study: Study, trial: Trial, this_round: SuggestRound, now: float
) -> Trial | PointsNeeded:
    """Fill in the missing values of a queued trial, and return it, or the points needed to do so.

    It is run in any case: if the algorithm has nothing left or has failed, the values are quasi-random.
    """
    given = study.spec.space.check_queued(trial.parameters)
    filled = dataclasses.replace(trial, parameters=given)
    if not study.spec.space.is_whole(given):
        spaces = [study.spec.space.restrict(given)]
        points = _suggested(transaction, study, spaces, this_round, 1, now, trial.number)
        if isinstance(points, PointsNeeded):
            return points
        if not points.suggestions:
            points = _inline(_numbered(study, trial.number), spaces, STAND_IN, 1)
        (suggestion,) = points.suggestions
        about = {**trial.metadata, **points.metadata_of(suggestion)}
        filled = dataclasses.replace(trial, parameters=suggestion.stored, metadata=about)
    trials.set_parameters(transaction, study.key, filled)
    return filled


def _suggested(
    transaction: Transaction,
    study: Study,
    spaces: Sequence[SearchSpace],
    this_round: SuggestRound,
    count: int,
    now: float,
    number: int | None = None,
) -> _Points | PointsNeeded:
    """Return up to `count` points in these parts of the space, for the trial of that number or for new trials."""
    numbered = study if number is None else _numbered(study, number)
    algorithm = algorithm_for(study.spec.algorithm)
    if not algorithm.needs_history(study):
        return _inline(numbered, spaces, study.spec.algorithm, count)
    results = study.trial_count - trials.count_unfinished(transaction, study)
    if this_round.failure:
        if algorithm.traits.fallback is None:
            return _Points([])
        made = _inline(numbered, spaces, algorithm.traits.fallback, count)
        after_commit(transaction, metrics.FALLBACKS.labels(this_round.failure.cause).inc)
        because = f", because {this_round.failure}"
        return _Points(
            [dataclasses.replace(one, reason=one.reason + because) for one in made.suggestions],
            made.over,
            _provenance(Source.STAND_IN, 0, results, this_round),
        )
    computed = this_round.computed
    if computed is None or computed.version != study.version or computed.spaces != tuple(spaces):
        return PointsNeeded(study, spaces, count, results)
    points, alone = _still_new(transaction, study, computed, count)
    ended = computed.over or computed.wait
    outdated = (computed.strict and not alone) or are_late(study, points, now)
    if outdated or (len(points) < count and not ended):
        return PointsNeeded(study, spaces, count, results)
    if study.algorithm_failures:
        studies.set_failures(transaction, study, 0)
    if computed.note:
        first = numbered.next_trial_number
        happened = Event(EventKind.SUGGESTION_FALLBACK, now, first, shortened(computed.note), actor=SERVER)
        events.append(transaction, study.key, [happened])
        after_commit(transaction, metrics.FALLBACKS.labels("simpler").inc)
    over = computed.over and len(points) < count
    about = _provenance(computed.source, computed.results, results, this_round)
    return _Points(points, over, about, late=over and computed.late)


def _numbered(study: Study, number: int) -> Study:
    """Return the study as inline algorithms should see it for the trial of that number."""
    return dataclasses.replace(study, next_trial_number=number, position=number)


def _before_any_parameter(transaction: Transaction, study: Study, count: int) -> _Points:
    """Return points of a space that has no parameters yet.

    Only one trial runs until one has succeeded: it finds the parameters, and others would train the same model
    meanwhile. A lost or failed trial has found none.
    """
    ends = algorithm_for(study.spec.algorithm).traits.ends_with_space
    if trials.any_succeeded(transaction, study) and not ends:
        return _Points([WITHOUT_PARAMETERS] * count)
    if trials.any_unfinished(transaction, study):
        return _Points([])
    if ends and trials.any_succeeded(transaction, study):
        return _Points([], over=True)
    return _Points([WITHOUT_PARAMETERS])


def _inline(study: Study, spaces: Sequence[SearchSpace], algorithm: str, count: int) -> _Points:
    problem = Problem(study.spec, study.position, seed=study.seed)
    with metrics.SUGGESTION.labels(algorithm).time():
        found = suggest_in(spaces, algorithm_for(algorithm), Request(problem, (), (), count, study.rng)).suggestions
    return _Points(found, over=len(found) < count)


def _still_new(transaction: Transaction, study: Study, computed: Computed, count: int) -> tuple[list[Suggestion], bool]:
    """Return the computed points that no trial has used since, and whether no other trials were created since.

    Trials of points computed together with these do not count as others. Another server may have computed the same
    points; each of them becomes one trial.
    """
    points = list(computed.suggestions[:count])
    if study.next_trial_number == computed.next_trial_number:
        return points, True
    made = trials.parameters_from(transaction, study, computed.next_trial_number, MAX_MADE_MEANWHILE)
    together = [dict(one.stored) for one in computed.together]
    left = [one for one in points if made.count(dict(one.stored)) < together.count(dict(one.stored))]
    return left, len(left) == len(points) and all(point in together for point in made)


def _provenance(source: Source, known: int, results: int, this_round: SuggestRound) -> dict[str, str]:
    """Return the trial metadata that says what the suggestion was based on."""
    return {
        "suggestion/source": source.value,
        "suggestion/results_known": str(known),
        "suggestion/results_missed": str(max(0, results - known)),
        "suggestion/waited_ms": str(round(1000 * this_round.waited_seconds)),
    }
