"""What stays the same over the points of one call."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dodona_server.algorithms.contract.algorithm import Problem
from dodona_server.algorithms.gp.axes import Array
from dodona_server.algorithms.gp.encoding import Encoding
from dodona_server.algorithms.gp.history import History
from dodona_server.algorithms.gp.seen import Tried
from dodona_server.domain.space import Value

# How many proposals that were tried before are passed over until the points left are looked at one by one.
PATIENCE = 200


@dataclass(frozen=True, slots=True)
class Search:
    """The study at this moment.

    Args:
        problem: its spec and what is known beside its own trials.
        encoding: of its space.
        history: its finished trials.
        tried: the points of all its trials, and of those suggested in this call.
        generator: of all that is drawn in this call.
    """

    problem: Problem
    encoding: Encoding
    history: History
    tried: Tried
    generator: np.random.Generator

    @property
    def dimensions(self) -> float:
        """How many axes with a choice are active in a point, on average over the space."""
        encoding = self.encoding
        if not encoding.conditional:
            return float(encoding.free.sum())
        u = np.random.default_rng(0).random((128, encoding.size))
        return float((encoding.activity(encoding.spread(u)) & encoding.free).sum(axis=1).mean())

    def first_new(self, proposals: Iterable[Array]) -> dict[str, Value] | None:
        """The first point of the proposed places, each a, that was not tried yet; None if the space has none.

        Where all proposals were tried, any other point serves.
        """
        for z in itertools.islice(proposals, PATIENCE):
            point = self.encoding.decode(z)
            if point not in self.tried:
                return point
        return self.tried.another(self.generator)
