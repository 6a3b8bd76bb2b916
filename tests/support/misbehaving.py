"""An algorithm that misbehaves, with the same interface as the real ones."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence

from dodona_server.algorithms.registry import Problem, Suggestions
from dodona_server.algorithms.simple.random_search import sample
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

# Longer than a call waits.
PAUSE_SECONDS = 0.7


class Misbehaving:
    """An algorithm that fails as the study's option `fault` says: "slow", "pause", "raise", "die", "note".

    Without one of these it is random. With "count" and "pause" its points encode two numbers: how many finished trials
    it was given, in hundredths, and how many points of the same computation came before, in ten thousandths.
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """Accept any option."""

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        match problem.spec.algorithm_options.get("fault"):
            case "slow":
                time.sleep(3600)
            case "raise":
                raise ZeroDivisionError("a fault of the algorithm")
            case "die":
                os._exit(9)
            case "note":
                return Suggestions([sample(problem.spec.space, rng) for _ in range(count)], "a simpler method stood in")
            case "count" | "pause" as fault:
                if fault == "pause":
                    time.sleep(PAUSE_SECONDS)
                return Suggestions([{"x": len(completed) / 100 + index / 10_000} for index in range(count)])
        return Suggestions([sample(problem.spec.space, rng) for _ in range(count)])
