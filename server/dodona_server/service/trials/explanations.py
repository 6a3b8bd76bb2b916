"""Explanation of a trial: why it was suggested, against its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dodona_server.domain.event import EventKind
from dodona_server.domain.names import TrialName
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Goal, Study
from dodona_server.domain.trials.explanation import MATTERS, PROBABILITY, Explanation, read_explanation
from dodona_server.domain.trials.listing import Listing, Order
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.attempts import require_trial
from dodona_server.storage import events
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import listing, ranking, trials

# How many of the latest trials are looked at to say how good the study's expectations are.
LATEST = 200
MOSTLY = 0.6
# Hints are mentioned if they change the acquisition by at least this factor.
NOTABLE = 1.1
MAX_NAMED = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter with another value than in the best trial.

    Args:
        parameter: its id.
        value: the trial's.
        best: the best trial's; None if that trial has none.
        kept: the part of the acquisition that would be left with the best trial's value; None if nobody knows.
    """

    parameter: str
    value: Value
    best: Value | None
    kept: float | None

    @property
    def matters(self) -> bool:
        """Whether the suggestion would have promised clearly less with the best trial's value."""
        return self.kept is not None and self.kept < 1 - MATTERS


@dataclass(frozen=True, slots=True)
class Why:
    """Explanation of a trial: why it was suggested, and its result.

    Args:
        study: the trial's.
        trial: with short metadata.
        queued: whether a user made it.
        known: what the algorithm's model knew; None if there was no model, or none that tells.
        best: the best trial when it was suggested; without a model, the best one now. None if there is none.
        expected: of how many of the study's latest trials a result was expected and came.
        met: how many of these results were within the interval.
    """

    study: Study
    trial: Trial
    queued: bool
    known: Explanation | None
    best: Trial | None
    expected: int
    met: int

    @property
    def reason(self) -> str:
        """Reason of the algorithm in a few words; empty for a trial that a user created."""
        if self.queued:
            return ""
        return self.trial.metadata.get("suggestion/reason", f"{self.study.spec.algorithm} uses no results")

    @property
    def measured(self) -> float | None:
        """Value of the first metric in the trial; None without a final one."""
        return None if self.trial.stopped else ranking.objective(self.study, self.trial)

    @property
    def differences(self) -> list[Difference]:
        """Parameters with other values than in the best trial, those that matter most first."""
        if self.best is None or self.best.number == self.trial.number:
            return []
        kept = self.known.kept if self.known else {}
        found = [
            Difference(name, value, self.best.parameters.get(name), kept.get(name))
            for name, value in self.trial.parameters.items()
            if self.best.parameters.get(name) != value and not name.startswith("tuner/")
        ]
        return sorted(found, key=lambda one: 1.0 if one.kept is None else one.kept)

    @property
    def sentence(self) -> str:
        """Explanation in plain words."""
        parts = [self._cause(), self._expectation(), self._hints(), self._difference(), self._outcome()]
        return " ".join(part for part in parts if part)

    def _cause(self) -> str:
        if self.queued:
            return "A user queued this trial."
        explored = self.known.exploring if self.known else None
        aim = ""
        if explored is not None:
            mostly = "explore" if explored >= MOSTLY else "exploit" if explored <= 1 - MOSTLY else ""
            aim = f", mostly to {mostly}" if mostly else ", as much to explore as to exploit"
        return f"Reason: {self.reason}{aim}."

    def _expectation(self) -> str:
        if self.known is None or self.known.expected is None:
            return ""
        one = self.known.expected
        told = f"The model expected {self.study.spec.objective.id} of {one.mean:.4g}"
        told += f" ({PROBABILITY:.0%} from {one.low:.4g} to {one.high:.4g})"
        share = self.known.prior_studies
        return f"{told}, {share:.0%} of it by earlier studies." if share is not None else f"{told}."

    def _hints(self) -> str:
        factor = self.known.hints if self.known else None
        if factor is None or 1 / NOTABLE < factor < NOTABLE:
            return ""
        return f"Hints multiplied its promise by {factor:.2g}."

    def _difference(self) -> str:
        found = self.differences
        if not found or self.best is None:
            return ""
        when = " (the best then)" if self.known else " (the best)"
        told = f"It differs from trial {self.best.number}{when} in {_named([one.parameter for one in found])}"
        if all(one.kept is None for one in found):
            return f"{told}."
        matter = [one.parameter for one in found if one.matters]
        if len(matter) == len(found):
            return f"{told}." if len(found) == 1 else f"{told}, which all matter."
        verb = "matters" if len(matter) == 1 else "matter"
        return f"{told}; of these {_named(matter)} {verb}." if matter else f"{told}; none of these matters much."

    def _outcome(self) -> str:
        if self.trial.infeasible_reason:
            return "It failed."
        value = self.measured
        if value is None or self.known is None or self.known.expected is None:
            return ""
        if self.known.expected.low <= value <= self.known.expected.high:
            return f"It came to {value:.4g}, as expected."
        is_loss = self.study.spec.objective.goal is Goal.MINIMIZE
        how = "better" if (value < self.known.expected.mean) == is_loss else "worse"
        return f"It came to {value:.4g}, {how} than expected."


class Explanations:
    """Explains trials.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, name: TrialName) -> Why:
        """Return why a trial was suggested.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> Why:
            study = get_study(transaction, name.study)
            return why(transaction, study, require_trial(trials.find_brief(transaction, study, name.number), name))

        return await self._store.read(query)


def why(transaction: Transaction, study: Study, trial: Trial) -> Why:
    """Return why a trial with short metadata was suggested."""
    known = read_explanation(trial.metadata)
    queued = False
    if "suggestion/reason" not in trial.metadata:
        first = events.of_trial(transaction, study.key, trial.number, 1)
        queued = bool(first) and first[0].kind is not EventKind.TRIAL_ACTIVE
    best: Sequence[Trial]
    if known is not None and known.best is not None:
        best = listing.numbered(transaction, study, [known.best])
    else:
        best = listing.page(transaction, study, Listing(order=Order.BEST), 1).entries
    expected, met = _record(transaction, study)
    return Why(study, trial, queued, known, best[0] if best else None, expected, met)


def _record(transaction: Transaction, study: Study) -> tuple[int, int]:
    """Return of how many of the latest trials a result was expected and came, and how many were as expected."""
    latest = list(range(max(1, study.next_trial_number - LATEST), study.next_trial_number))
    results = [
        known.expected.low <= value <= known.expected.high
        for trial in listing.numbered(transaction, study, latest)
        if not trial.stopped
        and (known := read_explanation(trial.metadata)) is not None
        and known.expected is not None
        and (value := ranking.objective(study, trial)) is not None
    ]
    return len(results), sum(results)


def _named(names: Sequence[str]) -> str:
    """Return names in a row: "lr, units and depth"; of many the first, and how many more there are."""
    if len(names) > MAX_NAMED + 1:
        return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
