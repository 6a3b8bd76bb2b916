"""The contract between the service and the algorithms."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dodona_server.domain.space import Value
from dodona_server.domain.study import StudySpec


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Parameters to try next, one mapping a trial; fewer than asked for when the space is exhausted."""

    parameters: Sequence[Mapping[str, Value]]


class Algorithm(Protocol):
    """A stateless search algorithm: the same arguments always give the same suggestions."""

    def suggest(self, spec: StudySpec, count: int, rng: random.Random) -> Suggestions:
        """The next `count` points to try.

        Args:
            spec: the study's: its space, metrics and options.
            count: how many trials are asked for, at least 1.
            rng: derived from the study's seed and the number of the first trial that will run the suggestions.
        """
        ...
