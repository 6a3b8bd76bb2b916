"""An algorithm that misbehaves, with the same interface as the real ones."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from dodona_server.algorithms.registry import Algorithm, Request, Suggestions
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.studies.study import StudySpec

# Longer than a call waits.
PAUSE_SECONDS = 0.7


class Misbehaving(Algorithm):
    """An algorithm that fails as the study's option `fault` says: "slow", "pause", "raise", "die", "note".

    Without one of these it is random. With "count" and "pause" its points encode two numbers: how many finished trials
    it was given, in hundredths, and how many points of the same computation came before, in ten thousandths. With
    "stopped", they are the result of the first trial that was stopped early.
    """

    def check(self, spec: StudySpec) -> None:
        """Accept any option."""

    def suggest(self, request: Request) -> Suggestions:
        drawn = [sample(request.problem.spec.space, request.rng) for _ in range(request.count)]
        match request.problem.spec.algorithm_options.get("fault"):
            case "slow":
                time.sleep(3600)
            case "raise":
                raise ZeroDivisionError("a fault of the algorithm")
            case "die":
                os._exit(9)
            case "note":
                return replace(Suggestions.of(drawn, "drawn"), note="a simpler method stood in")
            case "stopped" if request.stopped:
                (result,) = request.stopped[0].final_measurement.metrics.values()
                return Suggestions.of([{"x": result}] * request.count, "told")
            case "count" | "pause" as fault:
                if fault == "pause":
                    time.sleep(PAUSE_SECONDS)
                known = len(request.completed) / 100
                return Suggestions.of(({"x": known + index / 10_000} for index in range(request.count)), "counted")
        return Suggestions.of(drawn, "drawn")
