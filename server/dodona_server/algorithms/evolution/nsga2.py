"""NSGA-II: evolution toward the whole Pareto front.

Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002).
"""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer, real
from dodona_server.algorithms.contract.results import ResultReader, by_arrival
from dodona_server.algorithms.evolution.variation import crossed, mutated
from dodona_server.algorithms.shared.initial_design import INITIAL_DESIGN, InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import StudySpec

DEFAULT_POPULATION = 50
MAX_POPULATION = 1000
DEFAULT_CROSSOVER = 0.9
CHILD = "a child of survivors of the latest generation"


class Nsga2(Algorithm):
    """Creates children of two parents, each the better of two survivors by front and crowding.

    The survivors follow from replaying the generations over the finished trials, in the order in which they finished.
    With a single objective it is a plain genetic algorithm. Unsafe trials rank after safe ones, infeasible ones last
    (Deb's constrained domination). A trial that was stopped early is never a parent.
    """

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("population_size", "crossover_probability"))
        _population_size(spec)
        _crossover(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        # The process that searches imports NumPy; the server process does not.
        from dodona_server.algorithms.shared.nondominated import survivors

        spec, rng = request.problem.spec, request.rng
        size, crossover = _population_size(spec), _crossover(spec)
        tree, reader, initial = Tree(spec.space), ResultReader(spec), InitialDesign(request.problem)
        tried = SeenPoints(request)
        arrived = by_arrival(request.completed)
        # Best first: by front, then by crowding.
        alive = survivors([reader.result(trial) for trial in arrived], size)
        genes = {index: tree.read(arrived[index].parameters) for index in alive}

        def parent() -> Mapping[int, Value]:
            return genes[alive[min(rng.randrange(len(alive)), rng.randrange(len(alive)))]]

        def child() -> Mapping[str, Value]:
            mother, father = parent(), parent()
            return mutated(tree, crossed(tree, mother, father, rng) if rng.random() < crossover else mother, rng)

        known = request.known
        suggested = []
        for index in range(request.count):
            opens = not alive or known + index < size
            suggested.append(tried.new(initial, INITIAL_DESIGN) if opens else tried.new(child, CHILD))
        return Suggestions(suggested)


def _population_size(spec: StudySpec) -> int:
    return integer(spec, "population_size", DEFAULT_POPULATION, 2, MAX_POPULATION)


def _crossover(spec: StudySpec) -> float:
    return real(spec, "crossover_probability", DEFAULT_CROSSOVER, 0.0, 1.0)
