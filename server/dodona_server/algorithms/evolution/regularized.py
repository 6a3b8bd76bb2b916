"""Regularized evolution: tournaments in a population whose oldest member is removed, whatever its merit.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search" (2019).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.contract.results import ResultReader, by_arrival
from dodona_server.algorithms.evolution.variation import mutated_once
from dodona_server.algorithms.shared.initial_design import InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.space import Value
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

# A quarter of the paper's, whose searches had 20 000 trials; the same ratio to the tournament.
DEFAULT_POPULATION = 25
DEFAULT_TOURNAMENT = 6
MAX_POPULATION = 10_000


class RegularizedEvolution:
    """Changes one parameter of the best of a few trials, drawn at random from the youngest.

    The population is the trials that finished last, so it needs no state besides the history. Infeasible trials take
    part as the worst. The first points are quasi-random, until there is a population.
    """

    inline = False
    one_by_one = False

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("population_size", "tournament_size"))
        _population_size(spec)
        _tournament_size(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        spec = problem.spec
        size = _population_size(spec)
        tree, initial = Tree(spec.space), InitialDesign(problem)
        tried = SeenPoints(spec.space, completed, pending)
        youngest = by_arrival(completed)[-size:]
        population = list(zip(ResultReader(spec).merits(youngest), youngest, strict=True))

        def child() -> Mapping[str, Value]:
            entrants = rng.sample(population, min(_tournament_size(spec), len(population)))
            _, parent = min(entrants, key=lambda entrant: entrant[0])
            return mutated_once(tree, tree.read(parent.parameters), rng)

        known = len(completed) + len(pending)
        suggested = []
        for index in range(count):
            opens = not population or known + index < size
            suggested.append(tried.new(initial if opens else child, rng))
        return Suggestions(suggested)


def _population_size(spec: StudySpec) -> int:
    return integer(spec, "population_size", DEFAULT_POPULATION, 2, MAX_POPULATION)


def _tournament_size(spec: StudySpec) -> int:
    return integer(spec, "tournament_size", DEFAULT_TOURNAMENT, 1, MAX_POPULATION)
