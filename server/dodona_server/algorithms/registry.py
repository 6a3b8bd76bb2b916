"""The registry of the search algorithms.

To add an algorithm, add a package beside this module, a line in `ALGORITHMS`, and its name in the schema of a study.
"""

from __future__ import annotations

from dodona_server.algorithms.cmaes.search import CmaEs
from dodona_server.algorithms.contract.algorithm import Algorithm, Prior, Problem, Request, Suggestion, Suggestions
from dodona_server.algorithms.default import DefaultAlgorithm
from dodona_server.algorithms.evolution.nsga2 import Nsga2
from dodona_server.algorithms.evolution.regularized import RegularizedEvolution
from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.hyperband.search import Hyperband
from dodona_server.algorithms.simple.grid_search import GridSearch
from dodona_server.algorithms.simple.quasi_random import QuasiRandomSearch
from dodona_server.algorithms.simple.random_search import RandomSearch
from dodona_server.algorithms.skopt.search import FOREST, GBRT, GP, SkoptSearch
from dodona_server.algorithms.tpe.search import Tpe
from dodona_server.domain.errors import InvalidArgument

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Prior",
    "Problem",
    "Request",
    "Suggestion",
    "Suggestions",
    "algorithm_for",
]

ALGORITHMS: dict[str, Algorithm] = {
    "CMA_ES": CmaEs(),
    "GP_BANDIT": GpBandit(),
    "GRID_SEARCH": GridSearch(shuffled=False),
    "HYPERBAND": Hyperband(),
    "NSGA2": Nsga2(),
    "QUASI_RANDOM_SEARCH": QuasiRandomSearch(),
    "RANDOM_SEARCH": RandomSearch(),
    "REGULARIZED_EVOLUTION": RegularizedEvolution(),
    "SHUFFLED_GRID_SEARCH": GridSearch(shuffled=True),
    "SKOPT_FOREST": SkoptSearch(FOREST),
    "SKOPT_GBRT": SkoptSearch(GBRT),
    "SKOPT_GP": SkoptSearch(GP),
    "TPE": Tpe(),
    "ALGORITHM_UNSPECIFIED": DefaultAlgorithm(),
}


def algorithm_for(name: str) -> Algorithm:
    """Return the algorithm of that name.

    Raises:
        InvalidArgument: this server has none of that name; the message lists those it has.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        available = ", ".join(sorted(ALGORITHMS))
        raise InvalidArgument(f"{name} is not available; available are {available}", "algorithm") from None
