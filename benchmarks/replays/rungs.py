"""The server's multi-fidelity algorithms, which pause trials at rungs and continue the best ones."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping
from typing import Any

from dodona_server.algorithms.multi_fidelity.sampler import SAMPLER
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import budget_of, resumed_from, with_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from replays.choosing import nearest
from replays.simulation import Board, Choose, Verdict

INITIAL_TRIALS = "initial_trials"


class RungPolicy:
    """An algorithm of the server that promotes trials; the server counts each promotion as a trial of its own.

    Args:
        algorithm: its name.
        options: of the algorithm. One that plans with a number of trials gets at most those that are left.

    Attributes:
        trainings: what the algorithm sees: a trial for each training up to a rung.
    """

    def __init__(self, algorithm: str, options: Mapping[str, Any]) -> None:
        self._algorithm, self._name, self._options = algorithm_for(algorithm), algorithm, dict(options)
        self.trainings: list[Trial] = []
        # Nothing new can start before another training ends.
        self._waits = False
        # The trial of the board for each training, and the current training of each trial.
        self._of: list[int] = []
        self._current: dict[int, int] = {}

    def start(self, board: Board) -> int | None:
        """See `Policy`; an algorithm that has ended begins again with new trials."""
        if self._waits:
            return None
        if not self.trainings and INITIAL_TRIALS in self._options:
            self._options[INITIAL_TRIALS] = min(self._options[INITIAL_TRIALS], board.limit - len(board.rows))
        metrics = (Metric("value", Goal.MAXIMIZE),)
        spec = StudySpec(metrics, board.table.space, self._name, algorithm_options=self._options)
        done = [one for one in self.trainings if one.state is not TrialState.ACTIVE]
        pending = [one for one in self.trainings if one.state is TrialState.ACTIVE]
        rng = random.Random(f"{len(board.rows)}/{len(self.trainings)}")
        problem = Problem(spec, len(self.trainings))
        found = self._algorithm.suggest(Request(problem, done, pending, 1, rng))
        if not found.suggestions:
            if found.wait or pending or not self.trainings or not board.may_add:
                self._waits = True
                return None
            self.trainings, self._of = [], []
            return self.start(board)
        suggestion = found.suggestions[0]
        if suggestion.resume_from is None and not board.may_add:
            self._waits = True
            return None
        trial = len(board.rows) if suggestion.resume_from is None else self._of[suggestion.resume_from - 1]
        self._current[trial] = len(self.trainings)
        self._of.append(trial)
        self.trainings.append(Trial(len(self._of), TrialState.ACTIVE, suggestion.stored))
        return trial

    def chosen_by(self, algorithm: str) -> Choose:
        """Have an algorithm choose the points of first rungs, and return the choice."""
        self._options[SAMPLER] = algorithm
        return self._choose

    def _choose(self, board: Board) -> int:
        """Return the configuration nearest to the algorithm's."""
        return nearest(board, board.table.place(self.trainings[-1].parameters))

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`."""
        number, reached, best = self._current[trial], board.reached[trial], board.bests[trial]
        training = self.trainings[number]
        budget = budget_of(training.parameters)
        if resumed_from(training.parameters) is None:
            # It has the parameters of its configuration, not those that the algorithm suggested.
            stored = with_tuner_values(board.table.parameters(board.rows[trial]), budget, None)
            self.trainings[number] = training = dataclasses.replace(training, parameters=stored)
        if budget is None or budget.epochs is None or reached < min(budget.epochs, board.epochs):
            return Verdict.GO
        final = Measurement({"value": best}, step=reached) if math.isfinite(best) else None
        state = TrialState.INFEASIBLE if final is None else TrialState.SUCCEEDED
        self.trainings[number] = dataclasses.replace(training, state=state, final_measurement=final)
        self._waits = False
        return Verdict.PAUSE
