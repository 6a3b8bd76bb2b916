"""Policies that are no product of anyone: full training, and the best after a few epochs."""

from __future__ import annotations

from replays.simulation import Board, Verdict


class FullTraining:
    """Every trial to its end."""

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        return len(board.rows) if board.may_add else None

    def report(self, board: Board, trial: int) -> Verdict:  # noqa: ARG002
        """See `Policy`."""
        return Verdict.GO


class TopAfter:
    """A few epochs for all trials of a round, then the best to their end, the best one first; then the next round.

    Args:
        epochs: of each trial.
        best: the share of them that is trained to the end.
        size: the trials of a round.
    """

    def __init__(self, epochs: int, best: float, size: int = 100) -> None:
        self.epochs, self.best, self.size = epochs, best, size
        self._round: list[int] = []
        self._waiting: list[int] | None = None

    def start(self, board: Board) -> int | None:
        """See `Policy`."""
        if self._waiting is None and (len(self._round) == self.size or not board.may_add):
            if any(board.reached[trial] < self.epochs for trial in self._round):
                return None
            ranked = sorted(self._round, key=lambda trial: -board.bests[trial])
            self._waiting = ranked[: round(self.best * len(ranked))]
        if self._waiting:
            return self._waiting.pop(0)
        if not board.may_add:
            return None
        if self._waiting is not None:
            self._round, self._waiting = [], None
        self._round.append(len(board.rows))
        return self._round[-1]

    def report(self, board: Board, trial: int) -> Verdict:
        """See `Policy`."""
        return Verdict.PAUSE if board.reached[trial] == self.epochs else Verdict.GO
