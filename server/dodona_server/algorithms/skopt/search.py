"""scikit-optimize's model-based search, wrapped (Head et al., scikit-optimize, 2021).

Its optimizer works on the unit cube of `tree`; `skopt_model` talks to the package.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import choice, integer, only, real
from dodona_server.algorithms.contract.results import Judge
from dodona_server.algorithms.shared.initial_design import Opening
from dodona_server.algorithms.shared.seen import Tried
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Value
from dodona_server.domain.study import Option, StudySpec
from dodona_server.domain.trial import Trial

# "EIps" and "PIps" want to know seconds, "MES" and "PVRS" fail on categories; these work everywhere.
ACQUISITIONS = ("gp_hedge", "EI", "LCB", "PI")
OPTIMIZERS = ("auto", "sampling", "lbfgs")
_SEARCH_OPTIONS = ("acq_func", "acq_optimizer", "xi", "kappa", "n_initial_points", "n_points", "n_restarts_optimizer")
# How many points of one call are modelled, each after the one before; the rest are quasi-random.
MAX_MODELLED = 8


@dataclass(frozen=True, slots=True)
class Regressor:
    """A model of scikit-optimize that may be searched with.

    Args:
        options: the names of its own options.
        read: the model's name and its arguments as a spec has them; refuses wrong ones.
        max_trials: how many trials it is fitted to at most, for the sake of its cost.
        has_gradients: whether the acquisition can be followed by its gradient.
    """

    options: Sequence[str]
    read: Callable[[StudySpec], tuple[str, Mapping[str, Option]]]
    max_trials: int
    has_gradients: bool = False


def _gp(spec: StudySpec) -> tuple[str, Mapping[str, Option]]:
    noise: Option = "gaussian"
    if spec.algorithm_options.get("noise", noise) != noise:
        noise = real(spec, "noise", 0.0, 0.0, 1e6)
    return "GP", {"noise": noise, "n_restarts_optimizer": integer(spec, "n_restarts_fit", 2, 0, 100)}


def _forest(spec: StudySpec) -> tuple[str, Mapping[str, Option]]:
    sizes = {
        "n_estimators": integer(spec, "n_estimators", 100, 1, 1000),
        "min_samples_leaf": integer(spec, "min_samples_leaf", 3, 1, 1000),
    }
    if "max_depth" in spec.algorithm_options:
        sizes["max_depth"] = integer(spec, "max_depth", 1, 1, 1000)
    return choice(spec, "base_estimator", "ET", ("ET", "RF")), sizes


def _gbrt(spec: StudySpec) -> tuple[str, Mapping[str, Option]]:
    return "GBRT", {
        "n_estimators": integer(spec, "n_estimators", 30, 1, 1000),
        "learning_rate": real(spec, "learning_rate", 0.1, 1e-6, 1.0),
        "max_depth": integer(spec, "max_depth", 3, 1, 100),
    }


GP = Regressor(("noise", "n_restarts_fit"), _gp, max_trials=100, has_gradients=True)
FOREST = Regressor(("base_estimator", "n_estimators", "min_samples_leaf", "max_depth"), _forest, max_trials=1000)
GBRT = Regressor(("n_estimators", "learning_rate", "max_depth"), _gbrt, max_trials=1000)


class SkoptSearch:
    """Fits a model to the trials and takes the point that promises most by an acquisition function.

    Inactive parameters stand at their default, or in the middle. Pending trials count as if they had turned out as
    well as the best one so far (the package's `cl_min`), infeasible ones as bad as the worst. The memory of `gp_hedge`
    does not outlast a call, so that it takes one of the three functions at random.

    Args:
        regressor: the model.
    """

    inline = False
    one_by_one = False

    def __init__(self, regressor: Regressor) -> None:
        self._regressor = regressor

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        only(spec, (*_SEARCH_OPTIONS, *self._regressor.options))
        self._regressor.read(spec)
        _acquisition(spec)
        _initial(spec)
        if choice(spec, "acq_optimizer", "auto", OPTIMIZERS) == "lbfgs" and not self._regressor.has_gradients:
            raise InvalidArgument(
                f"'lbfgs' needs a model with gradients, which {spec.algorithm} has not; take 'sampling'",
                "algorithmOptions.acq_optimizer",
            )

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """The next `count` points; see `Algorithm.suggest`."""
        spec = problem.spec
        tree, opening = Tree(spec.space), Opening(problem)
        tried = Tried(spec.space, completed, pending)
        merits = Judge(spec).merits(completed)
        learnt = sum(merit[1] < float("inf") for merit in merits) >= _initial(spec)
        if not learnt or all(dimension.axis.levels == 1 for dimension in tree.dimensions):
            return Suggestions([tried.new(opening, rng) for _ in range(count)])
        # scikit-learn is loaded by whoever searches, not by the server process.
        from dodona_server.algorithms.skopt.model import Model, Settings

        kept = _subset(merits, self._regressor.max_trials)
        estimator, arguments = self._regressor.read(spec)
        settings = Settings(estimator, arguments, choice(spec, "acq_optimizer", "auto", OPTIMIZERS), _acquisition(spec))
        model = Model(tree, settings, rng.getrandbits(31))
        model.learn([completed[index].parameters for index in kept], [merits[index] for index in kept])
        model.assume([trial.parameters for trial in pending[-MAX_MODELLED * 4 :]])
        suggested: list[Mapping[str, Value]] = []
        for index in range(count):
            point = tried.new(model.propose if index < MAX_MODELLED else opening, rng)
            if index + 1 < min(count, MAX_MODELLED):
                model.assume([point])
            suggested.append(point)
        return Suggestions(suggested)


def _subset(merits: Sequence[tuple[float, float]], size: int) -> list[int]:
    """The indices of the trials that the model is fitted to: the best third, and of the others the latest."""
    if len(merits) <= size:
        return list(range(len(merits)))
    ranked = sorted(range(len(merits)), key=merits.__getitem__)
    best, others = ranked[: size // 3], sorted(ranked[size // 3 :])
    return sorted([*best, *others[len(best) - size :]])


def _initial(spec: StudySpec) -> int:
    return integer(spec, "n_initial_points", 10, 1, 10_000)


def _acquisition(spec: StudySpec) -> Mapping[str, Option]:
    """The acquisition function with its arguments, as they are named in the options."""
    return {
        "acq_func": choice(spec, "acq_func", "gp_hedge", ACQUISITIONS),
        "xi": real(spec, "xi", 0.01, 0.0, 1e6),
        "kappa": real(spec, "kappa", 1.96, 0.0, 1e6),
        "n_points": integer(spec, "n_points", 2000, 10, 100_000),
        "n_restarts_optimizer": integer(spec, "n_restarts_optimizer", 5, 1, 100),
    }
