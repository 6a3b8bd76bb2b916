"""Random search: independent draws of each parameter on its scale (Bergstra and Bengio, 2012)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions, Traits
from dodona_server.algorithms.simple.covered import Covered
from dodona_server.algorithms.simple.sampling import half_hinted
from dodona_server.algorithms.space.finite import MAX_SMALL, without_repeats
from dodona_server.algorithms.space.grid import Grid, count_points
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.studies.study import Study, StudySpec

# KerasTuner's number: after this many repeated draws in a row, a space counts as exhausted.
MAX_COLLISIONS = 20
# In a space of at most this many points, the points left are found by checking each one.
MAX_LISTED = 100_000
RANDOM = "a random point"


class RandomSearch(Algorithm):
    """Draws every active parameter independently; a conditional one only if the parent's drawn value activates it.

    The search ends when all points of a finite space have been tried, as in KerasTuner. In a small space without
    conditions the points come in random order. In other finite spaces, and in a grown one, points that trials cover are
    drawn again; in a large space only after half of it has been suggested. An infinite space needs no history: no two
    draws are equal. With hints, half of the points are drawn near them; in a small space without conditions they do not
    count.
    """

    traits = Traits(inline=True, ends_with_space=True)

    def needs_history(self, study: Study) -> bool:
        """Return whether only its trials say which points it must not repeat."""
        return _may_repeat(study.spec.space, study.position, study.next_trial_number - 1, study.has_grown)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        problem, space, rng = request.problem, request.problem.spec.space, request.rng
        if _may_repeat(space, problem.position, max(request.known, problem.position), problem.has_grown):
            covered = Covered([*request.completed, *request.stopped], request.pending)
            return _new_points(problem.spec, covered, request.count, rng)
        small = without_repeats(space, problem.seed, problem.position, request.count, rounds=1)
        if small is not None:
            return Suggestions.of(small, RANDOM)
        return Suggestions.of((half_hinted(problem.spec, rng) for _ in range(request.count)), RANDOM)


def _may_repeat(space: SearchSpace, position: int, trials: int, has_grown: bool) -> bool:
    """Return whether only the study's trials say which points of a finite space are left.

    Args:
        space: what is searched.
        position: the number of suggestions that the algorithm has made.
        trials: the number of trials so far: larger than `position` if trials were queued or imported.
        has_grown: whether the space has grown.
    """
    size = count_points(space)
    if size is None:
        return False
    if size > MAX_SMALL:
        return position >= size // 2
    return has_grown or trials > position or without_repeats(space, 0, 0, 0) is None


def _new_points(spec: StudySpec, covered: Covered, count: int, rng: random.Random) -> Suggestions:
    """Return up to `count` random points that no trial covers; fewer if no more are left."""
    space, found = spec.space, list[Mapping[str, Value]]()
    new: Mapping[str, Value] | None
    while len(found) < count:
        drawn = (half_hinted(spec, rng) for _ in range(1 + MAX_COLLISIONS))
        new = next((point for point in drawn if covered.by(point) is None), None)
        if new is None:
            left = [point for point in _all_points(space) if covered.by(point) is None]
            if not left:
                break
            new = rng.choice(left)
        found.append(new)
        covered.add(new)
    wait = len(found) < count and any(covered.may_be_left(point) for point in _all_points(space))
    return Suggestions.of(found, RANDOM, wait=wait)


def _all_points(space: SearchSpace) -> Iterator[Mapping[str, Value]]:
    """Yield the points of a finite space; none of a very large one, which ends after repeats, as in KerasTuner."""
    if (count_points(space) or MAX_LISTED + 1) <= MAX_LISTED:
        grid = Grid(space, 1)
        yield from (grid[index] for index in range(grid.size))
