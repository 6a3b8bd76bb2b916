"""An algorithm of another package: it varies the trial whose curve was best at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.simple.sampling import sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dodona_server.domain.trials.trial import Measurement


class BestCurve(Algorithm):
    """Draws a random point, and names the trial with the lowest last measurement as its parent."""

    traits = Traits(needs_curves=True)

    def suggest(self, request: Request) -> Suggestions:
        """Return random points; see `Algorithm.suggest`."""
        metric = request.problem.spec.objective.id

        def last(curve: Sequence[Measurement]) -> float:
            return curve[-1].metrics[metric]

        trials = (*request.completed, *request.pending)
        curves = request.curves.of([trial.number for trial in trials])
        measured = {number: curve for number, curve in curves.items() if curve}
        parent = min(measured, key=lambda number: last(measured[number]), default=None)
        reason = "the first point" if parent is None else f"{len(measured[parent])} measurements of trial {parent}"
        return Suggestions(
            [
                Suggestion(sample(request.problem.spec.space, request.rng), reason, parent=parent)
                for _ in range(request.count)
            ]
        )
