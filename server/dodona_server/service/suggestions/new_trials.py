"""New trials for a call: where they are run, and what their suggestions were based on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.contexts import suggest_in
from dodona_server.algorithms.registry import (
    QUASI_RANDOM,
    Algorithm,
    Problem,
    algorithm_for,
    ends_when_exhausted,
    needs_history,
    stand_in,
)
from dodona_server.domain.errors import inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.study import Study
from dodona_server.domain.trial import Trial, TrialState
from dodona_server.service.computing.asks import AlgorithmFailed, Computed, Point, Source
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.storage import events, studies, trials
from dodona_server.storage.store import Transaction

# Of the trials created while points were computed, how many they are compared with.
MAX_MADE_MEANWHILE = 1000


class Missing(Exception):
    """The algorithm has to be asked before the call can be answered; what the transaction did is undone.

    Args:
        study: as the transaction saw it.
        spaces: in which points are needed, one after the other in turn; none for the study's own.
        count: how many points.
        results: how many finished trials there are.
    """

    def __init__(self, study: Study, spaces: Sequence[SearchSpace], count: int, results: int) -> None:
        super().__init__(study, spaces, count, results)
        self.study = study
        self.spaces = tuple(spaces)
        self.count = count
        self.results = results


@dataclass(frozen=True, slots=True)
class Look:
    """One look for trials on behalf of a call.

    Args:
        request: who asks for what.
        arrived: when the call came, in seconds since the epoch.
        waited_seconds: how long it has waited for the algorithm, and for others.
        computed: points for it.
        failure: why there are none.
        is_last: whether the call is answered in any case.
        before: the trials that earlier parts of the same call have handed out.
    """

    request: SuggestRequest
    arrived: float
    waited_seconds: float
    computed: Computed | None
    failure: AlgorithmFailed | None
    is_last: bool
    before: Sequence[Trial] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """New trials, and whether the search is over with them."""

    trials: list[Trial]
    over: bool


@dataclass(frozen=True, slots=True)
class _Points:
    """Where new trials are to be run, whether the search is over with them, and what becomes their metadata."""

    parameters: Sequence[Point]
    over: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


def create(transaction: Transaction, study: Study, look: Look, count: int, now: float) -> Created:
    """New trials for the client, `count` of them unless the budget or the search has come to its end."""
    allowed = count if study.remaining_trials is None else min(count, study.remaining_trials)
    if allowed == 0:
        return Created([], over=count > 0)
    points = _new_points(transaction, study, look, allowed, now)
    over = points.over or allowed < count
    if not points.parameters:
        return Created([], over)
    request = look.request
    created = [
        Trial(
            number=study.next_trial_number + index,
            state=TrialState.ACTIVE,
            parameters=parameters,
            client_id=request.client_id,
            attempt=1,
            create_time=now,
            start_time=now,
            lease=request.lease(now),
            metadata=points.metadata,
        )
        for index, parameters in enumerate(points.parameters)
    ]
    trials.insert(transaction, study, created, lease_seconds=request.lease_seconds)
    studies.add_trials(transaction, study, len(created), suggested=len(created))
    events.append(
        transaction,
        study.key,
        [Event(EventKind.TRIAL_ACTIVE, now, trial.number, trial.client_id) for trial in created],
    )
    return Created(created, over)


def _new_points(transaction: Transaction, study: Study, look: Look, count: int, now: float) -> _Points:
    """Up to `count` points that the study's algorithm suggests, or what stands in for it.

    Raises:
        Missing: the algorithm has to be asked first.
    """
    with inside("contexts"):
        spaces = [study.spec.space.restrict(context) for context in look.request.contexts]
    if not study.spec.space.parameters:
        before = _before_any_parameter(transaction, study, count)
        if study.spec.algorithm != "HYPERBAND" or not before.parameters:
            return before
        # Each trial has a place in a bracket.
        count = len(before.parameters)
    return _suggested(transaction, study, spaces, look, count, now)


def fill(transaction: Transaction, study: Study, trial: Trial, look: Look, now: float) -> Trial:
    """The queued trial with a value for each active parameter: those that it leaves open are suggested.

    It is run in any case: where the algorithm has nothing left or has failed, its open values are quasi-random.

    Raises:
        Missing: the algorithm has to be asked first.
    """
    given = study.spec.space.check_queued(trial.parameters)
    points = _Points([given])
    if not study.spec.space.is_whole(given):
        spaces = [study.spec.space.restrict(given)]
        points = _suggested(transaction, study, spaces, look, 1, now, trial.number)
        if not points.parameters:
            points = _inline(_numbered(study, trial.number), spaces, QUASI_RANDOM, 1)
    filled = dataclasses.replace(trial, parameters=points.parameters[0], metadata={**trial.metadata, **points.metadata})
    trials.set_parameters(transaction, study.key, filled)
    return filled


def _suggested(
    transaction: Transaction,
    study: Study,
    spaces: Sequence[SearchSpace],
    look: Look,
    count: int,
    now: float,
    number: int | None = None,
) -> _Points:
    """Up to `count` points in those parts of the space, for the trial of that number or for new ones."""
    numbered = study if number is None else _numbered(study, number)
    if not needs_history(study):
        return _inline(numbered, spaces, algorithm_for(study.spec.algorithm), count)
    results = study.trial_count - trials.count_unfinished(transaction, study)
    if look.failure:
        other = stand_in(study.spec.algorithm)
        if other is None:
            return _Points([])
        made = _inline(numbered, spaces, other, count)
        return dataclasses.replace(made, metadata=_provenance(Source.STAND_IN, 0, results, look))
    computed = look.computed
    if computed is None or computed.version != study.version or computed.spaces != tuple(spaces):
        raise Missing(study, spaces, count, results)
    points, alone = _still_new(transaction, study, computed, count)
    ended = computed.over or computed.wait
    if (computed.strict and not alone) or (len(points) < count and not ended):
        raise Missing(study, spaces, count, results)
    if study.algorithm_failures:
        studies.set_failures(transaction, study, 0)
    if computed.note:
        events.append(transaction, study.key, [Event(EventKind.SUGGESTION_FALLBACK, now, detail=computed.note)])
    over = computed.over and len(points) < count
    return _Points(points, over, _provenance(computed.source, computed.results, results, look))


def _numbered(study: Study, number: int) -> Study:
    """The study as inline algorithms are to see it for the trial of that number."""
    return dataclasses.replace(study, next_trial_number=number, position=number)


def _before_any_parameter(transaction: Transaction, study: Study, count: int) -> _Points:
    """The points of a space without parameters, which may grow.

    One trial runs at a time until one has succeeded: what it finds decides on what there is to try, and others would
    train the same meanwhile. One that was lost or failed has told nothing.
    """
    ends = ends_when_exhausted(study)
    if trials.any_succeeded(transaction, study) and not ends:
        return _Points([{}] * count)
    if trials.any_unfinished(transaction, study):
        return _Points([])
    if ends and trials.any_succeeded(transaction, study):
        return _Points([], over=True)
    return _Points([{}])


def _inline(study: Study, spaces: Sequence[SearchSpace], algorithm: Algorithm, count: int) -> _Points:
    problem = Problem(study.spec, study.position, seed=study.seed)
    points = suggest_in(spaces, algorithm, problem, (), (), count, study.rng).parameters
    return _Points(points, over=len(points) < count)


def _still_new(transaction: Transaction, study: Study, computed: Computed, count: int) -> tuple[Sequence[Point], bool]:
    """The computed points that no trial has taken since, and whether no other trials were created since.

    Trials of the points that were computed together with these are none of the others. Another server may have computed
    the very same points, of which each becomes one trial.
    """
    points = computed.parameters[:count]
    if study.next_trial_number == computed.next_trial_number:
        return points, True
    made = trials.parameters_from(transaction, study, computed.next_trial_number, MAX_MADE_MEANWHILE)
    together = computed.together
    left = [point for point in points if made.count(dict(point)) < together.count(point)]
    return left, len(left) == len(points) and all(point in together for point in made)


def _provenance(source: Source, known: int, results: int, look: Look) -> dict[str, str]:
    """What a suggestion was based on, as its trial's metadata."""
    return {
        "suggestion/source": source.value,
        "suggestion/results_known": str(known),
        "suggestion/results_missed": str(max(0, results - known)),
        "suggestion/waited_ms": str(round(1000 * look.waited_seconds)),
    }
