"""The server's stopping rules: the decisions of its own code, with the curves in memory instead of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curves.tables import Array
from dodona_server.curve_model.curves import Curve
from dodona_server.curve_model.model import CurveModel, fit
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.stopping.contract import RENEWAL_SHARE, Case, Completed
from dodona_server.stopping.registry import decide
from dodona_server.storage.trials.curves import COMPARED
from replays.simulation import Board, Verdict


class RulePolicy:
    """Trials in their order, each until the rule stops it."""

    def __init__(self, rule: StoppingRule) -> None:
        self.rule = rule
        self._curves: StudyCurves | None = None
        self._model = StudyModel()

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        return len(board.rows) if board.may_add else None

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`, and `dodona_server.service.trials.stopping.judge`, which does the same with stored curves."""
        if self._curves is None:
            self._curves = StudyCurves(board)
        value = board.value(trial)
        if not np.isfinite(value):
            return Verdict.STOP if self.rule.method is StoppingMethod.AUTOMATIC else Verdict.GO
        model = self._model.latest(self._curves) if self.rule.uses_curve_model else None
        before, point = self._curves.put(trial, board.reached[trial], value)
        seen = SeenCurves(self._curves, trial)
        reason = decide(Case(self.rule, before, point, seen, board.table.maximized, trial, model))
        is_new = model is None or model.passes(before.position if before else 0.0, point.position)
        self._model.news += is_new + (reason is not None or board.reached[trial] == board.epochs)
        return Verdict.GO if reason is None else Verdict.STOP


class StudyModel:
    """The model of a study's curves, fitted as often as by the server; a fit takes no simulated time.

    Attributes:
        news: how often trials have reached a new rung or have ended since the last fit.
    """

    def __init__(self) -> None:
        self.news = 0
        self._model: CurveModel | None = None

    def latest(self, curves: StudyCurves) -> CurveModel | None:
        """Return the model; see `dodona_server.service.computing.curve_models`."""
        trials = 0 if self._model is None else self._model.trials[0]
        if self.news >= max(1.0, RENEWAL_SHARE * trials):
            self._model, self.news = fit(curves.latest()), 0
        return self._model


class StudyCurves:
    """The curves of all trials of a study, by position."""

    def __init__(self, board: Board) -> None:
        self.board = board
        shape = (board.limit, board.epochs)
        self.bests: Array = np.full(shape, np.nan)
        self.means: Array = np.full(shape, np.nan)
        self.present = np.zeros(board.limit, bool)
        self.positions: dict[int, list[int]] = {}
        self.last: dict[int, CurvePoint] = {}
        self.best = -np.inf

    def put(self, trial: int, position: int, value: float) -> tuple[CurvePoint | None, CurvePoint]:
        """Add a value to a curve, and return its points before and after."""
        before = self.last.get(trial)
        self.positions.setdefault(trial, []).append(position)
        point = first_point(position, value) if before is None else before.after(position, value)
        since = 0 if before is None else int(before.position)
        # At a position without a value, a curve has the best of its next point and the mean of the one before.
        self.bests[trial, since:position] = point.best
        self.means[trial, since:position] = np.nan if before is None else before.mean
        self.means[trial, position - 1] = point.mean
        self.present[trial] = True
        self.last[trial], self.best = point, max(self.best, point.best)
        return before, point

    def latest(self) -> dict[int, Curve]:
        """Return the curves that the server would fit a model to."""
        return {trial: self._curve(trial) for trial in map(int, np.flatnonzero(self.present)[-COMPARED:])}

    def _curve(self, trial: int) -> Curve:
        positions = np.array(self.positions[trial])
        return Curve(positions.astype(float), self.bests[trial, positions - 1], self.board.progress(trial))


@dataclass(frozen=True)
class SeenCurves:
    """The curves of a study as a trial sees them; see `dodona_server.stopping.contract.Curves`."""

    curves: StudyCurves
    own: int

    def best_at(self, position: float) -> float | None:
        """See `Curves`."""
        if position < 1:
            return None
        best = float(self.curves.bests[self.own, int(position) - 1])
        return None if np.isnan(best) else best

    def bests_at(self, position: float) -> Sequence[float]:
        """See `Curves`."""
        others = self._others()
        return _known(self.curves.bests[others, int(np.ceil(position)) - 1])

    def means_at(self, position: float) -> Sequence[float]:
        """See `Curves`."""
        others = self._others()
        ended = others[self.curves.board.over[others]]
        return _known(self.curves.means[ended, int(position) - 1])

    def any_better(self, best: float) -> bool:
        """See `Curves`."""
        return self.curves.best > best

    def completed(self, least: int) -> Completed | None:
        """See `Curves`; a trial's result is the best value of its curve."""
        board, curves = self.curves.board, self.curves
        ended = [trial for trial in curves.last if board.reached[trial] == board.epochs and trial != self.own]
        if len(ended) < max(least, 1):
            return None
        return Completed(max(board.bests[trial] for trial in ended), max(curves.last[one].position for one in ended))

    def _others(self) -> np.ndarray:
        others = np.flatnonzero(self.curves.present)
        return others[others != self.own][-COMPARED:]


def _known(values: Array) -> list[float]:
    return [float(value) for value in values[~np.isnan(values)]]
