"""Contract between the service and the algorithms: a request goes in, suggestions come out."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from dodona_server.algorithms.contract.options import no_options
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.studies.study import Study, StudySpec
from dodona_server.domain.studies.time_left import TimeLeft
from dodona_server.domain.trials.continuation import Budget, with_tuner_values
from dodona_server.domain.trials.explanation import Explanation
from dodona_server.domain.trials.trial import Measurement, Trial

if TYPE_CHECKING:
    # It imports NumPy, which the server's own process does without.
    from dodona_server.curve_model.curves import Table

# The algorithm that replaces others.
STAND_IN = "QUASI_RANDOM_SEARCH"


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study to learn from: its spec, its finished trials in the order of their numbers, and its name."""

    spec: StudySpec
    completed: Sequence[Trial]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem that an algorithm has to solve.

    Args:
        spec: the study's: its space, metrics, noise, and the algorithm's options.
        position: the number of suggestions that the algorithm has made for the study; it never decreases.
        priors: earlier studies that the spec names, if they exist.
        seed: the study's, the same at every call.
        has_grown: whether parameters were added to the space since the study was created.
        whole: the study's space, if the space of `spec` is only the part that a context allows.
    """

    spec: StudySpec
    position: int = 0
    priors: Sequence[Prior] = ()
    seed: int = 0
    has_grown: bool = False
    whole: SearchSpace | None = None


class Curves(Protocol):
    """Reads the measurements of trials when an algorithm asks for them."""

    def of(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Measurement]]:
        """Return the measurements of the trials of these numbers, each in the order of the steps.

        A trial without measurements has an empty sequence. A running trial may have more than at the last call.
        """
        ...

    def table(self) -> Table | None:
        """Return the objective of the latest trials at the positions at which the model of curves compares them.

        None without a stopping rule, or if no trial has a curve. It costs the same however long the curves are.
        """
        ...


class NoCurves:
    """Reader of curves for an algorithm that needs none."""

    def of(self, numbers: Sequence[int]) -> Mapping[int, Sequence[Measurement]]:
        """Refuse to read.

        Raises:
            RuntimeError: set `needs_curves` in the algorithm's traits.
        """
        raise RuntimeError(
            f"no curves of {len(numbers)} trials: only an algorithm with Traits(needs_curves=True) has them"
        )

    def table(self) -> Table | None:
        """Return None."""
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the next points to try.

    Args:
        problem: the study's spec and what is known besides its own trials.
        completed: the finished trials (SUCCEEDED and INFEASIBLE) that were not stopped early, in the order of their
            numbers. A very large study may have 100 000. They come without measurements; `curves` has these.
        pending: the unfinished trials, which have no results yet.
        count: the number of points, at least 1.
        rng: derived from the study's seed and the number of the first trial that will run the suggestions.
        curves: reads the measurements of trials, if the algorithm needs them.
        stopped: the trials that were stopped early, in the order of their numbers. Their final measurement is the end
            of a part of a curve, and no final value.
        time: what is left of the study's budget of time; None without such a budget.
    """

    problem: Problem
    completed: Sequence[Trial]
    pending: Sequence[Trial]
    count: int
    rng: random.Random
    curves: Curves = field(default_factory=NoCurves)
    stopped: Sequence[Trial] = ()
    time: TimeLeft | None = None

    @property
    def known(self) -> int:
        """Number of all trials of the study, those that wait included."""
        return len(self.completed) + len(self.stopped) + len(self.pending)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A point to try.

    Args:
        parameters: a value for every active parameter.
        reason: why this point, in a few words for people: "initial design".
        parent: the number of the trial that this one continues or varies.
        resume_from: the number of the trial whose checkpoint the training starts from.
        budget: how far the training goes; None for as far as the user's code says.
        explanation: what the algorithm's model knows of the point, if it has a model that tells.
        seconds: the trial ends in that time with a probability of 1/4, by the algorithm's model; None without a model.
    """

    parameters: Mapping[str, Value]
    reason: str
    parent: int | None = None
    resume_from: int | None = None
    budget: Budget | None = None
    explanation: Explanation | None = None
    seconds: float | None = None

    @property
    def stored(self) -> Mapping[str, Value]:
        """Parameters as trials have them: with the budget and `resume_from` as `tuner/` values."""
        return with_tuner_values(self.parameters, self.budget, self.resume_from)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Points to try next.

    Args:
        suggestions: the points. There are fewer than requested only if the search is over or has to `wait`.
        note: why a simpler method replaced the algorithm; empty if none did. It becomes an event of the study.
        wait: whether there will be more points when pending trials have finished.
        late: whether there are fewer because no trial can end before the study's time is over.
    """

    suggestions: Sequence[Suggestion]
    note: str = ""
    wait: bool = False
    late: bool = False

    @property
    def parameters(self) -> list[Mapping[str, Value]]:
        """Parameters of the suggestions, as trials have them."""
        return [one.stored for one in self.suggestions]

    @classmethod
    def of(cls, points: Iterable[Mapping[str, Value]], reason: str, *, wait: bool = False) -> Suggestions:
        """Return suggestions of these points that all have the same reason."""
        return cls([Suggestion(point, reason) for point in points], wait=wait)


@dataclass(frozen=True, slots=True)
class Traits:
    """Properties of an algorithm that the service has to know.

    Args:
        inline: it costs microseconds and needs no history. It is called in the transaction that assigns its
            suggestions, without completed and pending trials, unless `Algorithm.needs_history` says otherwise. Other
            algorithms run in a process.
        one_by_one: each further point costs nearly as much as the first one. Several points are then requested one
            after the other, each with those before it pending, and each is assigned as soon as it is chosen.
        fallback: the name of the algorithm that replaces this one if it fails or takes too long. None if none can: then
            every trial of the study comes from this algorithm, even one without parameters.
        restarts_on_growth: when parameters are added, it begins again and leaves out what the trials cover; so it needs
            the history from then on.
        ends_with_space: the study ends when all points of a finite space, or of an empty one, have been tried.
        needs_curves: its requests have a reader of the trials' measurements.
        uses_priors: it learns from earlier studies.
    """

    inline: bool = False
    one_by_one: bool = False
    fallback: str | None = STAND_IN
    restarts_on_growth: bool = False
    ends_with_space: bool = False
    needs_curves: bool = False
    uses_priors: bool = False


class Algorithm(ABC):
    """A stateless search algorithm: the same request always returns the same suggestions.

    Importing the class's module must not import a numerical library: the first call of `suggest` does.
    """

    traits: ClassVar[Traits] = Traits()

    def check(self, spec: StudySpec) -> None:
        """Refuse a spec that the algorithm does not support, or options that it does not have: by default, any option.

        Raises:
            InvalidArgument: the message names the field, its value and what is allowed.
        """
        no_options(spec)

    def needs_history(self, study: Study) -> bool:
        """Return whether it needs the study's trials, and so runs in a process."""
        return not self.traits.inline or (self.traits.restarts_on_growth and study.has_grown)

    @abstractmethod
    def suggest(self, request: Request) -> Suggestions:
        """Return the next `request.count` points to try."""
