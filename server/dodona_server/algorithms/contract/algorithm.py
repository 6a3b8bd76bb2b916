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
    """The problem that an algorithm has to solve.

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


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The points to try next.

    Args:
        parameters: one mapping for each trial, with a value for every active parameter. There are fewer than requested
            only if the search is over or has to `wait`.
        note: why a simpler method replaced the algorithm; empty if none did.
        wait: whether there will be more points when pending trials have finished.
    """

    parameters: Sequence[Mapping[str, Value]]
    note: str = ""
    wait: bool = False


class Algorithm(Protocol):
    """A stateless search algorithm: the same arguments always return the same suggestions.

    `inline`: it costs microseconds and needs no history. It is called in the transaction that assigns its suggestions,
    without completed and pending trials, unless `registry.needs_history` says that the study needs them. Other
    algorithms run in a process.
    `one_by_one`: each further point costs nearly as much as the first one. Several points are then requested one after
    the other, each with those before it pending, and each is assigned as soon as it is chosen.
    Importing the class's module must not import a numerical library: the first call of `suggest` does.
    """

    inline: bool
    one_by_one: bool

    def check(self, spec: StudySpec) -> None:
        """Refuse a spec that the algorithm does not support, or options that it does not have.

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
        """Return the next `count` points to try.

        Args:
            problem: the study's spec and what is known besides its own trials.
            completed: the finished trials (SUCCEEDED and INFEASIBLE), in the order of their numbers. A very large study
                may have 100 000.
            pending: the unfinished trials, which have no results yet.
            count: the number of points, at least 1.
            rng: derived from the study's seed and the number of the first trial that will run the suggestions.
        """
        ...
