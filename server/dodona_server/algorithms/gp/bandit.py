"""Gaussian-process bandit: suggestions from the initial design, then from the models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from dodona_server.algorithms.contract.algorithm import Request, Suggestions
from dodona_server.algorithms.gp import initial_design
from dodona_server.algorithms.gp.data.call import Search
from dodona_server.algorithms.gp.data.encoding import Encoding, Point
from dodona_server.algorithms.gp.data.hints import Hints
from dodona_server.algorithms.gp.data.history import read
from dodona_server.algorithms.gp.data.seen import SeenPoints
from dodona_server.domain.space import Value


def suggest(request: Request) -> Suggestions:
    """Return the next points; see `Algorithm.suggest`."""
    generator = np.random.default_rng(request.rng.getrandbits(64))
    problem, completed, pending = request.problem, request.completed, request.pending
    encoding = Encoding(problem.spec.space, problem.whole)
    tried = SeenPoints(encoding, [trial.parameters for trial in (*completed, *request.stopped, *pending)])
    stopped = [trial.parameters for trial in request.stopped]
    hints = Hints(encoding, problem.spec.hints)
    search = Search(problem, encoding, read(problem.spec, completed), tried, hints, generator, stopped)
    waiting = [trial.parameters for trial in pending]
    if not _is_enough_known(search):
        return _initial_points(search, waiting, request.count)
    # Importing SciPy takes longer than the workers of a new study should wait for their first points.
    from dodona_server.algorithms.gp.suggest import suggest_by_model

    return suggest_by_model(_with_partial(search, request), waiting, request.count)


def _with_partial(search: Search, request: Request) -> Search:
    """Return the search with the trials that were stopped early, and with what the curves of running ones predict."""
    from dodona_server.algorithms.shared.predicted_losses import predicted_losses

    known = predicted_losses(request)
    points = {trial.number: trial.parameters for trial in (*request.stopped, *request.pending)}
    stopped = [trial.parameters for trial in request.stopped if trial.number not in known]
    partial = [(points[number], found) for number, found in known.items()]
    return dataclasses.replace(search, stopped=stopped, partial=partial, time=request.time)


def _is_enough_known(search: Search) -> bool:
    """Return whether there are enough trials for a model."""
    tried, finished = len(search.tried), len(search.history.trials)
    return tried >= initial_design.size(search.dimensions) and finished >= 2 and bool(search.encoding.free.any())


def _initial_points(search: Search, waiting: Sequence[Point], count: int) -> Suggestions:
    """Return points of the initial design."""
    found: list[dict[str, Value]] = []
    while len(found) < count:
        point = initial_design.point(search, [*waiting, *found])
        if point is None:
            break
        found.append(point)
        search.tried.add(point)
    return Suggestions.of(found, initial_design.REASON)
