"""Regularized evolution: tournaments in a population whose oldest member is removed, whatever its merit.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search" (2019).
"""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.contract.results import with_stopped
from dodona_server.algorithms.evolution.variation import mutated_once
from dodona_server.algorithms.shared.initial_design import INITIAL_DESIGN, InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import StudySpec

# A quarter of the paper's, whose searches had 20 000 trials; the same ratio to the tournament.
DEFAULT_POPULATION = 25
DEFAULT_TOURNAMENT = 6
MAX_POPULATION = 10_000
MUTATED = "a mutation of the best of a few young trials"


class RegularizedEvolution(Algorithm):
    """Changes one parameter of the best of a few trials, drawn at random from the youngest.

    The population is the trials that finished last, so it needs no state besides the history. Trials that were stopped
    early take part behind those that succeeded, infeasible ones as the worst. The first points are quasi-random, until
    there is a population.
    """

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("population_size", "tournament_size"))
        _population_size(spec)
        _tournament_size(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        spec, rng = request.problem.spec, request.rng
        size = _population_size(spec)
        tree, initial = Tree(spec.space), InitialDesign(request.problem)
        tried = SeenPoints(request)
        arrived, merits = with_stopped(spec, request.completed, request.stopped)
        population = list(zip(merits[-size:], arrived[-size:], strict=True))

        def child() -> Mapping[str, Value]:
            entrants = rng.sample(population, min(_tournament_size(spec), len(population)))
            _, parent = min(entrants, key=lambda entrant: entrant[0])
            return mutated_once(tree, tree.read(parent.parameters), rng)

        known = request.known
        suggested = []
        for index in range(request.count):
            opens = not population or known + index < size
            suggested.append(tried.new(initial, INITIAL_DESIGN) if opens else tried.new(child, MUTATED))
        return Suggestions(suggested)


def _population_size(spec: StudySpec) -> int:
    return integer(spec, "population_size", DEFAULT_POPULATION, 2, MAX_POPULATION)


def _tournament_size(spec: StudySpec) -> int:
    return integer(spec, "tournament_size", DEFAULT_TOURNAMENT, 1, MAX_POPULATION)
