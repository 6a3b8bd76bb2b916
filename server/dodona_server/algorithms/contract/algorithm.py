"""The contract between the service and the algorithms."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study to learn from: its spec and its finished trials, in the order of their numbers."""

    spec: StudySpec
    completed: Sequence[Trial]


@dataclass(frozen=True, slots=True)
class Problem:
    """What an algorithm has to solve.

    Args:
        spec: the study's: its space, metrics, noise, and the algorithm's options.
        position: how many suggestions the algorithm has made for the study so far; it never goes back.
        priors: earlier studies that the spec names, as far as they exist.
        seed: the study's, the same at every call.
        has_grown: whether parameters have been added to the space since the study was made.
        whole: the study's space, if that of `spec` is only the part that a context leaves.
    """

    spec: StudySpec
    position: int = 0
    priors: Sequence[Prior] = ()
    seed: int = 0
    has_grown: bool = False
    whole: SearchSpace | None = None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What to try next.

    Args:
        parameters: one mapping a trial, each with a value for every active parameter; fewer than asked for only when
            the search has come to its end, or has to `wait`.
        note: why a simpler method stood in for the algorithm; empty if none did.
        wait: that there are fewer than asked for only now: more will come when pending trials have finished.
    """

    parameters: Sequence[Mapping[str, Value]]
    note: str = ""
    wait: bool = False


class Algorithm(Protocol):
    """A stateless search algorithm: the same arguments always give the same suggestions.

    `inline` says that it costs microseconds and needs no history: it is then called inside the transaction that
    hands its suggestions out, with neither completed nor pending trials, unless `registry.needs_history` says that the
    study needs them. The others run in a process of their own.
    `one_by_one` says that a further point costs a good part of the first one: several are then asked for one after the
    other, each with those before it pending, and each is handed out as soon as it is chosen.
    Importing the class's module imports no numerical library: that happens when `suggest` is first called.
    """

    inline: bool
    one_by_one: bool

    def check(self, spec: StudySpec) -> None:
        """Refuses a spec that the algorithm cannot search, or options that it does not have.

        Raises:
            InvalidArgument: the message names the field, its value and what is allowed.
        """
        ...

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """The next `count` points to try.

        Args:
            problem: the study's spec and what is known beside its own trials.
            completed: the finished trials (SUCCEEDED and INFEASIBLE), in the order of their numbers; of very large
                studies there may be 100 000.
            pending: the unfinished trials, whose results are to come.
            count: how many points are asked for, at least 1.
            rng: derived from the study's seed and the number of the first trial that will run the suggestions.
        """
        ...
