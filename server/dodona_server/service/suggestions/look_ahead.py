"""Points that a call for trials needs from an algorithm in a process, and a look ahead at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import inside
from dodona_server.domain.names import StudyName
from dodona_server.domain.space import MAX_PARAMETERS, SearchSpace
from dodona_server.domain.studies.study import Study, StudyState
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.service.budget import limit_reached
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.storage import operations
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import trials

# What precedes the id in a reference to an operation.
OPERATIONS = "operations/"
# The most values written for new trials in one transaction: less than 0.1 s, which other writes wait for.
VALUES_AT_ONCE = 20_000
# The cost of a trial besides its values, in values.
ROW_VALUES = 10


@dataclass(frozen=True, slots=True)
class PointsNeeded:
    """The algorithm has to compute points before the call can be answered.

    Args:
        study: as the transaction saw it.
        spaces: the spaces in which points are needed, in turn; empty for the study's own.
        count: the number of points.
        results: the number of finished trials.
        assigned: the trials that the call has got already.
    """

    study: Study
    spaces: Sequence[SearchSpace]
    count: int
    results: int
    assigned: Sequence[Trial] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """Result of a look ahead: the points that the call needs, and whether its algorithm may need any."""

    needed: PointsNeeded | None
    is_inline: bool = False


def look_ahead(transaction: Transaction, name: StudyName, request: SuggestRequest, now: float) -> Look:
    """Return the points that a call for trials will need, without a lock.

    So the transaction that assigns the trials has their points when it begins. Where the look cannot tell, it returns
    none, and that transaction finds out: the client or the queue has a trial, or the study is not there or over.
    """
    study = studies.find(transaction, name)
    if study is None or study.state is not StudyState.ACTIVE or not study.spec.space.parameters:
        return Look(None)
    if not algorithm_for(study.spec.algorithm).needs_history(study):
        return Look(None, is_inline=True)
    count = at_once(study, min(request.count, request.count if (left := study.remaining_trials) is None else left))
    over = limit_reached(transaction, study, now)
    if count == 0 or over or _has_trial(transaction, study, request):
        return Look(None)
    results = study.trial_count - trials.count_unfinished(transaction, study)
    return Look(PointsNeeded(study, spaces_of(study, request), count, results))


def _has_trial(transaction: Transaction, study: Study, request: SuggestRequest) -> bool:
    """Return whether the call gets no new trial: its answer is known, or the client or the queue has one."""
    if request.follows or find_answer(transaction, study, request):
        return True
    running = request.running or ()
    own = trials.unfinished_numbers(transaction, study, TrialState.ACTIVE, request.client_id, len(running) + 1)
    if any(number not in running for number in own):
        return True
    return trials.any_queued(transaction, study)


def find_answer(transaction: Transaction, study: Study, request: SuggestRequest) -> SuggestOperation | str | None:
    """Return the answer to the same request before, a reference if it was deleted since, or None.

    Raises:
        InvalidArgument: the request's id belongs to another call.
    """
    asked = request.identified(study.name)
    made = asked.result(transaction, study.key) if asked else None
    return made and operation_of(transaction, study, made)


def operation_of(transaction: Transaction, study: Study, made: str) -> SuggestOperation | str:
    """Return the operation that a reference names, or the reference if the operation was deleted since."""
    return operations.find_in_study(transaction, study.key, made.removeprefix(OPERATIONS)) or made


def spaces_of(study: Study, request: SuggestRequest) -> list[SearchSpace]:
    """Return the parts of the search space that the call's contexts ask for, in turn.

    Raises:
        InvalidArgument: a context has a value that is not allowed.
    """
    with inside("contexts"):
        return [study.spec.space.restrict(context) for context in request.contexts]


def at_once(study: Study, wanted: int) -> int:
    """Return how many of the wanted trials one transaction assigns: other writes wait for it."""
    if wanted <= VALUES_AT_ONCE // (MAX_PARAMETERS + ROW_VALUES):
        return wanted
    parameters = sum(1 for _ in study.spec.space.walk())
    return min(wanted, VALUES_AT_ONCE // (parameters + ROW_VALUES))
