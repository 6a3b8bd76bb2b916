"""Model-based search with scikit-optimize (Head et al., scikit-optimize, 2021).

Its optimizer works on the unit cube of `space.tree`; `model` calls the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions
from dodona_server.algorithms.contract.options import check_names, choice, integer, real
from dodona_server.algorithms.contract.results import INFEASIBLE, ResultReader
from dodona_server.algorithms.shared.initial_design import INITIAL_DESIGN, InitialDesign
from dodona_server.algorithms.shared.seen import SeenPoints
from dodona_server.algorithms.space.tree import Tree
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.studies.study import Option, StudySpec

# "EIps" and "PIps" need the duration of trials, "MES" and "PVRS" fail with categories; these always work.
ACQUISITIONS = ("gp_hedge", "EI", "LCB", "PI")
OPTIMIZERS = ("auto", "sampling", "lbfgs")
_SEARCH_OPTIONS = ("acq_func", "acq_optimizer", "xi", "kappa", "n_initial_points", "n_points", "n_restarts_optimizer")
# The number of points of a call that the model chooses, one after the other; the rest are quasi-random.
MAX_MODELED = 8
BEST, REST = "best acquisition of the model", "quasi-random, beyond the points that the model chooses in a call"


@dataclass(frozen=True, slots=True)
class Regressor:
    """A model of scikit-optimize.

    Args:
        options: the names of its own options.
        read: returns the model's name and its arguments from a spec; refuses wrong ones.
        max_trials: the largest number of trials that it is fitted to, to limit the cost.
        has_gradients: whether the acquisition has a gradient.
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


class SkoptSearch(Algorithm):
    """Fits a model to the trials and suggests the point with the best acquisition.

    Inactive parameters have their default or the middle. Pending trials count as good as the best one so far (the
    package's `cl_min`), infeasible ones and those that were stopped early as bad as the worst. `gp_hedge` does not keep
    its gains between calls, so it takes one of its three functions at random.

    Args:
        regressor: the model.
    """

    def __init__(self, regressor: Regressor) -> None:
        self._regressor = regressor

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, (*_SEARCH_OPTIONS, *self._regressor.options))
        self._regressor.read(spec)
        _acquisition(spec)
        _initial_points(spec)
        if choice(spec, "acq_optimizer", "auto", OPTIMIZERS) == "lbfgs" and not self._regressor.has_gradients:
            raise InvalidArgument(
                f"'lbfgs' needs a model with gradients, which {spec.algorithm} does not have; use 'sampling'",
                "algorithm_options.acq_optimizer",
            )

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        spec, rng = request.problem.spec, request.rng
        tree, initial, tried = Tree(spec.space), InitialDesign(request.problem), SeenPoints(request)
        finished = [*request.completed, *request.stopped]
        merits = ResultReader(spec).merits(request.completed) + [INFEASIBLE.merit] * len(request.stopped)
        is_enough = sum(merit[1] < float("inf") for merit in merits) >= _initial_points(spec)
        if not is_enough or all(dimension.axis.levels == 1 for dimension in tree.dimensions):
            return Suggestions([tried.new(initial, INITIAL_DESIGN) for _ in range(request.count)])
        # The process that searches imports scikit-learn; the server process does not.
        from dodona_server.algorithms.skopt.model import Model, SkoptSettings

        kept = _subset(merits, self._regressor.max_trials)
        estimator, arguments = self._regressor.read(spec)
        settings = SkoptSettings(
            estimator, arguments, choice(spec, "acq_optimizer", "auto", OPTIMIZERS), _acquisition(spec)
        )
        model = Model(tree, settings, rng.getrandbits(31))
        model.learn([finished[index].parameters for index in kept], [merits[index] for index in kept])
        model.assume([trial.parameters for trial in request.pending[-MAX_MODELED * 4 :]])
        suggested: list[Suggestion] = []
        for index in range(request.count):
            point = tried.new(model.propose, BEST) if index < MAX_MODELED else tried.new(initial, REST)
            if index + 1 < min(request.count, MAX_MODELED):
                model.assume([point.parameters])
            suggested.append(point)
        return Suggestions(suggested)


def _subset(merits: Sequence[tuple[float, float]], size: int) -> list[int]:
    """Return the indices of the trials that the model is fitted to: the best third, and the latest of the others."""
    if len(merits) <= size:
        return list(range(len(merits)))
    ranked = sorted(range(len(merits)), key=merits.__getitem__)
    best, others = ranked[: size // 3], sorted(ranked[size // 3 :])
    return sorted([*best, *others[len(best) - size :]])


def _initial_points(spec: StudySpec) -> int:
    return integer(spec, "n_initial_points", 10, 1, 10_000)


def _acquisition(spec: StudySpec) -> Mapping[str, Option]:
    """Return the acquisition function and its arguments, by the names of their options."""
    return {
        "acq_func": choice(spec, "acq_func", "gp_hedge", ACQUISITIONS),
        "xi": real(spec, "xi", 0.01, 0.0, 1e6),
        "kappa": real(spec, "kappa", 1.96, 0.0, 1e6),
        "n_points": integer(spec, "n_points", 2000, 10, 100_000),
        "n_restarts_optimizer": integer(spec, "n_restarts_optimizer", 5, 1, 100),
    }
