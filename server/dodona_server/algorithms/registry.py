"""Registry of the search algorithms.

To add an algorithm to the server, add a package beside this module, a line in `ALGORITHMS`, and its name in the schema
of a study. Another package registers an algorithm by an entry point of the group `dodona.algorithms`: its name is the
one in studies, and its value a subclass of `Algorithm`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from dodona_server.algorithms.cmaes.search import CmaEs
from dodona_server.algorithms.contract.algorithm import Algorithm, Prior, Problem, Request, Suggestion, Suggestions
from dodona_server.algorithms.default import DefaultAlgorithm
from dodona_server.algorithms.evolution.nsga2 import Nsga2
from dodona_server.algorithms.evolution.regularized import RegularizedEvolution
from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.multi_fidelity.asha import Asha
from dodona_server.algorithms.multi_fidelity.freeze_thaw import FreezeThaw
from dodona_server.algorithms.multi_fidelity.hyperband import Hyperband
from dodona_server.algorithms.multi_fidelity.pbt import Pbt
from dodona_server.algorithms.multi_fidelity.successive_halving import SuccessiveHalving
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
    "names",
]

GROUP = "dodona.algorithms"

ALGORITHMS: dict[str, Algorithm] = {
    "ASHA": Asha(),
    "CMA_ES": CmaEs(),
    "FREEZE_THAW": FreezeThaw(),
    "GP_BANDIT": GpBandit(),
    "GRID_SEARCH": GridSearch(shuffled=False),
    "HYPERBAND": Hyperband(),
    "NSGA2": Nsga2(),
    "PBT": Pbt(),
    "QUASI_RANDOM_SEARCH": QuasiRandomSearch(),
    "RANDOM_SEARCH": RandomSearch(),
    "REGULARIZED_EVOLUTION": RegularizedEvolution(),
    "SHUFFLED_GRID_SEARCH": GridSearch(shuffled=True),
    "SKOPT_FOREST": SkoptSearch(FOREST),
    "SKOPT_GBRT": SkoptSearch(GBRT),
    "SKOPT_GP": SkoptSearch(GP),
    "SUCCESSIVE_HALVING": SuccessiveHalving(),
    "TPE": Tpe(),
    "ALGORITHM_UNSPECIFIED": DefaultAlgorithm(),
}


def algorithm_for(name: str) -> Algorithm:
    """Return the algorithm of that name.

    Raises:
        InvalidArgument: this server has none of that name; the message lists those it has.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if name in _installed():
        return _loaded(name)
    available = ", ".join(["ALGORITHM_UNSPECIFIED", *names()])
    raise InvalidArgument(f"{name} is not available; available are {available}", "algorithm")


def names() -> list[str]:
    """Return the names of all algorithms but the default one."""
    return sorted({*ALGORITHMS, *_installed()} - {"ALGORITHM_UNSPECIFIED"})


@functools.cache
def _installed() -> Mapping[str, EntryPoint]:
    """Return the algorithms that other installed packages register, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


@functools.cache
def _loaded(name: str) -> Algorithm:
    """Return an algorithm of another package.

    Raises:
        InvalidArgument: it cannot be imported, is no algorithm, or is inline.
    """
    point = _installed()[name]
    try:
        algorithm = point.load()()
    except Exception as error:
        raise InvalidArgument(f"{name} ({point.value}) cannot be loaded: {error!r}", "algorithm") from error
    if not isinstance(algorithm, Algorithm):
        raise InvalidArgument(f"{name} ({point.value}) is not a subclass of Algorithm", "algorithm")
    if algorithm.traits.inline:
        # It would run in the server's transactions, where its errors have no fallback and its work delays everybody.
        raise InvalidArgument(
            f"{name} ({point.value}) is inline, which only the server's own algorithms may be", "algorithm"
        )
    return algorithm
