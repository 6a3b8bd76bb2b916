"""Who chooses the configurations of a search: chance, or one of our algorithms."""

from __future__ import annotations

import random

import numpy as np

from curves.tables import Array
from dodona_server.algorithms.contract.algorithm import NoCurves
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.curve_model.curves import Curve, Table, table_of
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from replays.simulation import Board, Choose


def in_random_order(configurations: int, seed: str) -> Choose:
    """Return a choice that is the same for all policies: all configurations in random order, and again after that."""
    order = random.Random(seed).sample(range(configurations), configurations)
    return lambda board: order[len(board.rows) % configurations]


def nearest(board: Board, unit: Array) -> int:
    """Return the configuration nearest to a point of the unit cube that no trial of the search has."""
    distances = ((board.table.unit - unit) ** 2).sum(axis=1)
    distances[board.rows] = np.inf
    return int(distances.argmin())


class _Curves(NoCurves):
    """Reads the curves of the search; see `Curves` of the contract."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def table(self) -> Table | None:
        """See `Curves.table`."""
        curves = {trial + 1: curve for trial in range(len(self._board.rows)) if (curve := self._curve(trial))}
        return table_of(curves) if curves else None

    def _curve(self, trial: int) -> Curve | None:
        values = self._board.table.values[self._board.rows[trial], : self._board.reached[trial]]
        (known,) = np.nonzero(np.isfinite(values))
        if not len(known):
            return None
        return Curve(known + 1.0, np.maximum.accumulate(values[known]), self._board.progress(trial))


class OurChoice:
    """An algorithm of the server, which gets what the server would give it; curves only if it `reads_curves`.

    The server keeps curves for stopping rules. Which rule it is does not matter here: a `Policy` stops the trials.
    """

    def __init__(self, algorithm: str, seed: str, *, reads_curves: bool = True) -> None:
        self._rule = StoppingRule(StoppingMethod.AUTOMATIC) if reads_curves else None
        self._name, self._seed = algorithm, seed
        self._algorithm = algorithm_for(algorithm)

    def __call__(self, board: Board) -> int:
        metrics = (Metric("value", Goal.MAXIMIZE),)
        spec = StudySpec(metrics, board.table.space, self._name, stopping_rule=self._rule)
        done, stopped, pending = list[Trial](), list[Trial](), list[Trial]()
        for trial, row in enumerate(board.rows):
            parameters = board.table.parameters(row)
            if not board.over[trial]:
                pending.append(Trial(trial + 1, TrialState.ACTIVE, parameters))
            elif np.isfinite(board.bests[trial]):
                final = Measurement({"value": board.bests[trial]}, step=board.reached[trial])
                is_part = board.reached[trial] < board.epochs
                ended = Trial(trial + 1, TrialState.SUCCEEDED, parameters, final_measurement=final, stopped=is_part)
                (stopped if is_part else done).append(ended)
            else:
                done.append(Trial(trial + 1, TrialState.INFEASIBLE, parameters))
        rng = random.Random(f"{self._seed}/{len(board.rows)}")
        request = Request(Problem(spec, len(board.rows)), done, pending, 1, rng, _Curves(board), stopped)
        return nearest(board, board.table.place(self._algorithm.suggest(request).parameters[0]))
