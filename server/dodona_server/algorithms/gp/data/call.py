"""Data shared by all points of a call."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dodona_server.algorithms.contract.algorithm import Problem
from dodona_server.algorithms.gp.data.axes import Array
from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.algorithms.gp.data.hints import Hints
from dodona_server.algorithms.gp.data.history import History, columns
from dodona_server.algorithms.gp.data.seen import SeenPoints
from dodona_server.domain.space import Value
from dodona_server.domain.studies.time_left import TimeLeft

if TYPE_CHECKING:
    from dodona_server.algorithms.shared.predicted_losses import PredictedLoss

# After this many proposals that were tried before, a point is chosen from those left.
PATIENCE = 200


@dataclass(frozen=True, slots=True)
class Search:
    """A study at the time of a call.

    Args:
        problem: its spec and what is known besides its own trials.
        encoding: of its space.
        history: its finished trials.
        tried: the points of all its trials, and those suggested in this call.
        hints: what people believe.
        generator: of all random numbers in this call.
        stopped: the points of the trials that were stopped early, for which nothing is predicted.
        partial: the points of stopped and running trials, and the losses that their curves predict.
        time: what is left of the study's budget of time.
    """

    problem: Problem
    encoding: Encoding
    history: History
    tried: SeenPoints
    hints: Hints
    generator: np.random.Generator
    stopped: Sequence[Point] = ()
    partial: Sequence[tuple[Point, PredictedLoss]] = ()
    time: TimeLeft | None = None

    @property
    def trust(self) -> float:
        """Agreement of the results with the hints, from 0 to 1; 0 without hints."""
        if not self.hints:
            return 0.0
        history, spec = self.history, self.problem.spec
        rows = np.arange(len(history.trials))
        merit = np.where(history.feasible[:, None], history.values[:, columns(spec)], np.inf)
        # With several objectives, the mean rank.
        ranks = (merit[None, :, :] < merit[:, None, :]).sum(axis=1).mean(axis=1)
        return self.hints.trust(*self.encoding.encode(history.points(rows)), ranks)

    @property
    def dimensions(self) -> float:
        """Number of axes with more than one value that are active in a point, on average over the space."""
        encoding = self.encoding
        if not encoding.conditional:
            return float(encoding.free.sum())
        u = np.random.default_rng(0).random((128, encoding.size))
        return float((encoding.activity(encoding.spread(u)) & encoding.free).sum(axis=1).mean())

    def first_new(self, proposals: Iterable[Array]) -> dict[str, Value] | None:
        """Return the first proposed point, from positions a, that was not tried yet; None if the space has none.

        If all proposals were tried, return any other point.
        """
        for z in itertools.islice(proposals, PATIENCE):
            point = self.encoding.decode(z)
            if point not in self.tried:
                return point
        return self.tried.another(self.generator)
