"""NSGA-II: evolution toward the whole Pareto front.

Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer, real
from dodona_server.algorithms.contract.results import ResultReader, by_arrival
from dodona_server.algorithms.evolution.variation import crossed, mutated
from dodona_server.algorithms.shared.initial_design import InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

DEFAULT_POPULATION = 50
MAX_POPULATION = 1000
DEFAULT_CROSSOVER = 0.9


class Nsga2:
    """Creates children of two parents, each the better of two survivors by front and crowding.

    The survivors follow from replaying the generations over the finished trials, in the order in which they finished.
    With a single objective it is a plain genetic algorithm. Unsafe trials rank after safe ones, infeasible ones last
    (Deb's constrained domination).
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("population_size", "crossover_probability"))
        _population_size(spec)
        _crossover(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        # The process that searches imports NumPy; the server process does not.
        from dodona_server.algorithms.shared.nondominated import survivors

        spec = problem.spec
        size, crossover = _population_size(spec), _crossover(spec)
        tree, reader, initial = Tree(spec.space), ResultReader(spec), InitialDesign(problem)
        tried = SeenPoints(spec.space, completed, pending)
        arrived = by_arrival(completed)
        # Best first: by front, then by crowding.
        alive = survivors([reader.result(trial) for trial in arrived], size)
        genes = {index: tree.read(arrived[index].parameters) for index in alive}

        def parent() -> Mapping[int, Value]:
            return genes[alive[min(rng.randrange(len(alive)), rng.randrange(len(alive)))]]

        def child() -> Mapping[str, Value]:
            mother, father = parent(), parent()
            return mutated(tree, crossed(tree, mother, father, rng) if rng.random() < crossover else mother, rng)

        known = len(completed) + len(pending)
        suggested = []
        for index in range(count):
            opens = not alive or known + index < size
            suggested.append(tried.new(initial if opens else child, rng))
        return Suggestions(suggested)


def _population_size(spec: StudySpec) -> int:
    return integer(spec, "population_size", DEFAULT_POPULATION, 2, MAX_POPULATION)


def _crossover(spec: StudySpec) -> float:
    return real(spec, "crossover_probability", DEFAULT_CROSSOVER, 0.0, 1.0)
