"""Population-based training: members that do badly continue with the weights of one that does well, slightly changed.

Jaderberg et al., "Population Based Training of Neural Networks" (2017), with its truncation selection. A member trains
`interval` epochs at a time; each of these parts of its training is a trial, which continues another one. After each
part a member of the worst fifth copies one of the best fifth at the same epoch (exploit), and its mutable parameters
change (explore).
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.multi_fidelity.brackets import best_first
from dodona_server.algorithms.multi_fidelity.fidelity import DEFAULT_MAX_RESOURCE, MAX_EPOCHS, Fidelity
from dodona_server.algorithms.multi_fidelity.trials import Rungs, RungTrial
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Discrete, Double, Integer, Parameter, SearchSpace, Value
from dodona_server.domain.studies.study import StudySpec

DEFAULT_POPULATION = 10
MAX_POPULATION = 10_000
DEFAULT_INTERVAL = 5
MUTABLE = "mutable"
# The share of the members that are the worst, and of those that are the best.
SELECTED = 0.2
# A parameter is multiplied by one of these, or drawn again with this probability.
FACTORS = (0.8, 1.2)
RESAMPLED = 0.25


class Pbt(Algorithm):
    """Suggests the first parts of all members, then the next part of the member that is furthest behind.

    No member waits for another one that is running: it is compared with those that have finished the same epoch.
    """

    # A trial outside the population would have no number of epochs.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("population", "interval", "max_epochs", MUTABLE))
        _population(spec)
        _epochs(spec)
        mutable_of(spec, spec.space)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        spec = request.problem.spec
        interval, most = _epochs(spec)
        rungs = Rungs(request, Fidelity(interval, most), "RANDOM")
        mutable = mutable_of(spec, request.problem.whole or spec.space)
        members = _Members(rungs, spec.space, mutable, math.ceil(most / interval), request.rng)
        suggested: list[Suggestion] = []
        while len(suggested) < request.count:
            found = members.start(_population(spec)) or members.next_part(interval)
            if found is None:
                break
            suggested.append(found)
        return Suggestions(suggested, wait=len(suggested) < request.count and members.any_running)


class _Members:
    """Population of trials.

    Args:
        rungs: has the study's trials, and makes the suggestions.
        space: in which to suggest.
        mutable: the names of the parameters that change.
        parts: of how many parts a training consists.
        rng: of the request.
    """

    def __init__(
        self, rungs: Rungs, space: SearchSpace, mutable: Collection[str], parts: int, rng: random.Random
    ) -> None:
        self._rungs, self._space, self._mutable, self._parts, self._rng = rungs, space, mutable, parts, rng
        # The latest part of each member, and the finished ones of all by their number.
        self._latest: dict[int, RungTrial] = {}
        self._finished: dict[int, list[RungTrial]] = {}
        for trial in rungs.trials:
            if trial.budget is None:
                continue
            before = self._latest.get(trial.budget.bracket)
            if before is None or before.budget is None or before.budget.round <= trial.budget.round:
                self._latest[trial.budget.bracket] = trial
            if trial.finished:
                self._finished.setdefault(trial.budget.round, []).append(trial)

    @property
    def any_running(self) -> bool:
        """Whether a member is in training, so that there may be more to do when it has finished its part."""
        return any(not trial.finished for trial in self._latest.values())

    def start(self, population: int) -> Suggestion | None:
        """Return the first part of a member that has none; None if all have."""
        member = next((number for number in range(population) if number not in self._latest), None)
        return None if member is None else self._add(self._rungs.start(member, 0))

    def next_part(self, interval: int) -> Suggestion | None:
        """Return the next part of the member that is furthest behind and not running; None without one."""
        ready = [
            (trial.budget.round, member, trial)
            for member, trial in self._latest.items()
            if trial.finished and trial.budget is not None and trial.budget.round + 1 < self._parts
        ]
        for part, member, trial in sorted(ready, key=lambda one: one[:2]):
            copied = self._copied(trial, part)
            source = copied or trial
            if source.merit is None:
                # It failed, and no other member has got as far yet.
                continue
            values = source.values if copied is None else self._explored(source.values)
            reason = f"part {part + 2} of the training of member {member}"
            if copied is not None:
                reason += f", which continues trial {copied.number} with changed parameters"
            suggestion = self._rungs.continued(source, values, (part + 2) * interval, member, part + 1, reason)
            if suggestion is not None:
                return self._add(suggestion)
        return None

    def _copied(self, trial: RungTrial, part: int) -> RungTrial | None:
        """Return the trial that a member copies after a part; None for its own one."""
        finished = self._finished[part]
        ranked = best_first(finished)
        selected = math.floor(SELECTED * len(finished) + 0.5)
        worst = [*ranked, *(one for one in finished if one.merit is None)][len(finished) - selected :]
        if not ranked or (trial.merit is not None and trial not in worst):
            return None
        return self._rng.choice(ranked[: max(1, selected)])

    def _explored(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values with the mutable ones changed."""
        changed, waiting = dict(values), list(reversed(self._space.parameters))
        while waiting:
            parameter = waiting.pop()
            if (value := values.get(parameter.id)) is None:
                continue
            if parameter.id in self._mutable:
                changed[parameter.id] = _mutated(parameter, value, self._rng)
            waiting.extend(reversed(list(parameter.active_branches(value))))
        return changed

    def _add(self, suggestion: Suggestion) -> Suggestion:
        budget = suggestion.budget
        if budget is not None:
            self._latest[budget.bracket] = RungTrial(None, suggestion.parameters, budget, budget.epochs)
        return suggestion


def _mutated(parameter: Parameter, value: Value, rng: random.Random) -> Value:
    kind = parameter.kind
    factor = rng.choice(FACTORS)
    if rng.random() < RESAMPLED or isinstance(kind, Categorical) or isinstance(value, str):
        return sample(SearchSpace((parameter,)), rng)[parameter.id]
    match kind:
        case Double():
            return min(max(value * factor, kind.min_value), kind.max_value)
        case Integer():
            # By one at least.
            step = round(abs(value) * 0.2) or 1
            return int(min(max(value + (step if factor > 1 else -step), kind.min_value), kind.max_value))
        case Discrete():
            ordered = sorted(kind.values)
            place = ordered.index(value) + (1 if factor > 1 else -1)
            return ordered[min(max(place, 0), len(ordered) - 1)]


def mutable_of(spec: StudySpec, space: SearchSpace) -> Collection[str]:
    """Return the names of the parameters that change when a member copies another one.

    By default these are the doubles, since others often set the shape of a model.

    Raises:
        InvalidArgument: a name is of no parameter, or of one with conditional parameters.
    """
    possible = {one.id: one.kind for _, one in space.walk() if not one.branches}
    if MUTABLE not in spec.algorithm_options:
        return {name for name, kind in possible.items() if isinstance(kind, Double)}
    given = spec.algorithm_options[MUTABLE]
    names = {name.strip() for name in given.split(",")} if isinstance(given, str) else {given}
    for name in names:
        if name not in possible:
            listed = ", ".join(possible) or "none"
            raise InvalidArgument(
                f"{name!r} is not a parameter without conditional ones; there are: {listed}",
                f"algorithm_options.{MUTABLE}",
            )
    return {str(name) for name in names}


def _population(spec: StudySpec) -> int:
    return integer(spec, "population", DEFAULT_POPULATION, 1, MAX_POPULATION)


def _epochs(spec: StudySpec) -> tuple[int, int]:
    """Return the epochs of a part and of the whole training."""
    most = integer(spec, "max_epochs", DEFAULT_MAX_RESOURCE, 1, MAX_EPOCHS)
    return integer(spec, "interval", min(DEFAULT_INTERVAL, most), 1, most), most
