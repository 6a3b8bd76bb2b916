"""The peers behind one interface; a peer's package is imported when the peer is first created.

A peer gets parameters in its own best form: ordered numbers as ordered, logarithmic scales, and conditions if it has
them. A peer without conditions gets the flat space, and the values of inactive parameters are dropped.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.space import (
    Categorical,
    Discrete,
    Double,
    Integer,
    Parameter,
    Scale,
    SearchSpace,
    Value,
)
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

Point = dict[str, Value]


class Peer(Protocol):
    """An optimizer with an ask-and-tell interface, which minimizes."""

    def ask(self) -> tuple[Any, Point]:
        """Return a token and the point to try."""

    def tell(self, token: Any, value: float) -> None:
        """Set the value of an asked point."""


class Dodona:
    """One of our algorithms, as the service calls it."""

    def __init__(self, space: SearchSpace, seed: int, algorithm: str) -> None:
        self._spec = StudySpec((Metric("value", Goal.MINIMIZE),), space, algorithm)
        self._algorithm, self._seed, self._asked = algorithm_for(algorithm), seed, 0
        self._pending: dict[int, Trial] = {}
        self._done: dict[int, Trial] = {}

    def ask(self) -> tuple[Any, Point]:
        number = self._asked = self._asked + 1
        rng = random.Random(f"{self._seed}/{number}")
        done = [self._done[key] for key in sorted(self._done)]
        problem = Problem(self._spec, number - 1)
        found = self._algorithm.suggest(Request(problem, done, list(self._pending.values()), 1, rng)).parameters
        if not found:
            raise StopIteration
        self._pending[number] = Trial(number, TrialState.ACTIVE, found[0])
        return number, dict(found[0])

    def tell(self, token: Any, value: float) -> None:
        trial = self._pending.pop(token)
        final = Measurement({"value": value})
        self._done[token] = Trial(token, TrialState.SUCCEEDED, trial.parameters, final_measurement=final)


class Optuna:
    """Optuna's samplers, define-by-run, with its own conditions."""

    def __init__(self, space: SearchSpace, seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._space = space
        samplers = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=False),
        }
        self._study = optuna.create_study(sampler=samplers[sampler]())

    def ask(self) -> tuple[Any, Point]:
        trial = self._study.ask()
        values: Point = {}
        pending = list(reversed(self._space.parameters))
        while pending:
            parameter = pending.pop()
            values[parameter.id] = _optuna_value(trial, parameter)
            pending.extend(reversed(list(parameter.active_branches(values[parameter.id]))))
        return trial, values

    def tell(self, token: Any, value: float) -> None:
        self._study.tell(token, value)


def _optuna_value(trial: Any, parameter: Parameter) -> Value:
    kind = parameter.kind
    match kind:
        case Double(scale=Scale.REVERSE_LOG):
            high, low = kind.max_value, kind.min_value
            return high + low - trial.suggest_float(parameter.id, low, high, log=True)
        case Double():
            return trial.suggest_float(parameter.id, kind.min_value, kind.max_value, log=kind.scale is Scale.LOG)
        case Integer():
            return trial.suggest_int(parameter.id, kind.min_value, kind.max_value, log=kind.scale is Scale.LOG)
        case Discrete():
            # By rank, as an ordered number: as categories the values would lose their order.
            return sorted(kind.values)[trial.suggest_int(parameter.id, 0, len(kind.values) - 1)]
        case Categorical():
            return trial.suggest_categorical(parameter.id, kind.values)


class Skopt:
    """scikit-optimize's Optimizer on the flat space, discrete values by rank.

    Within a batch it counts each pending point as good as the best (`cl_min`); our pending points get the same value.
    """

    def __init__(self, space: SearchSpace, seed: int, estimator: str) -> None:
        import skopt

        warnings.simplefilter("ignore")
        self._space, self._flat = space, list(_flat(space))
        dimensions = []
        for parameter in self._flat:
            kind = parameter.kind
            match kind:
                case Double() | Integer():
                    prior = "log-uniform" if kind.scale is Scale.LOG else "uniform"
                    cls = skopt.space.Real if isinstance(kind, Double) else skopt.space.Integer
                    dimensions.append(cls(kind.min_value, kind.max_value, prior=prior))
                case Discrete():
                    dimensions.append(skopt.space.Integer(0, len(kind.values) - 1))
                case Categorical():
                    dimensions.append(skopt.space.Categorical(kind.values))
        self._optimizer = skopt.Optimizer(dimensions, base_estimator=estimator, random_state=seed)
        self._pending: list[list[Any]] = []

    def ask(self) -> tuple[Any, Point]:
        optimizer = self._optimizer
        if self._pending:
            optimizer = optimizer.copy(random_state=optimizer.rng.randint(2**31 - 1))
            optimizer.tell(self._pending, [min(optimizer.yi, default=0.0)] * len(self._pending))
        asked = optimizer.ask()
        self._pending.append(asked)
        values = {}
        for parameter, value in zip(self._flat, asked, strict=True):
            kind = parameter.kind
            if isinstance(kind, Discrete):
                value = sorted(kind.values)[int(value)]
            values[parameter.id] = kind.check(float(value) if isinstance(kind, Double) else _plain(value))
        return asked, _active(self._space, values)

    def tell(self, token: Any, value: float) -> None:
        self._pending.remove(token)
        self._optimizer.tell(token, value)


class KerasTuner:
    """KerasTuner's BayesianOptimizationOracle, its conditions by parent names."""

    def __init__(self, space: SearchSpace, seed: int, budget: int) -> None:
        import tempfile

        import keras_tuner

        self._space = space
        hp = keras_tuner.HyperParameters()
        self._names: dict[str, Parameter] = {}
        for parameter in _flat(space):
            kind = parameter.kind
            self._names[parameter.id] = parameter
            match kind:
                case Double():
                    sampling = {Scale.LINEAR: "linear", Scale.LOG: "log", Scale.REVERSE_LOG: "reverse_log"}[kind.scale]
                    hp.Float(parameter.id, kind.min_value, kind.max_value, sampling=sampling)
                case Integer():
                    sampling = "log" if kind.scale is Scale.LOG else "linear"
                    hp.Int(parameter.id, kind.min_value, kind.max_value, sampling=sampling)
                case Discrete():
                    hp.Choice(parameter.id, [float(value) for value in kind.values])
                case Categorical():
                    hp.Choice(parameter.id, list(kind.values))
        self._oracle = keras_tuner.oracles.BayesianOptimizationOracle(
            objective=keras_tuner.Objective("value", "min"), max_trials=budget, hyperparameters=hp, seed=seed
        )
        self._oracle.verbose = 0
        self._oracle._set_project_dir(tempfile.mkdtemp(), "benchmark")

    def ask(self) -> tuple[Any, Point]:
        # Each request has its own tuner id: a tuner that asks twice gets its running trial again.
        self._asked = getattr(self, "_asked", 0) + 1
        trial = self._oracle.create_trial(f"tuner{self._asked}")
        given = trial.hyperparameters.values
        values = {
            name: parameter.kind.check(_in_range(parameter.kind, given[name]))
            for name, parameter in self._names.items()
        }
        return trial, _active(self._space, values)

    def tell(self, token: Any, value: float) -> None:
        self._oracle.update_trial(token.trial_id, {"value": value})
        token.status = "COMPLETED"
        self._oracle.end_trial(token)


class Smac:
    """SMAC's HyperparameterOptimizationFacade, ask and tell, on the flat space, discrete values as ordinals."""

    def __init__(self, space: SearchSpace, seed: int, budget: int) -> None:
        import logging
        import tempfile

        import ConfigSpace
        import smac

        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        self._space, self._flat = space, list(_flat(space))
        configuration = ConfigSpace.ConfigurationSpace(seed=seed)
        for parameter in self._flat:
            kind = parameter.kind
            match kind:
                case Double():
                    bounds = (kind.min_value, kind.max_value)
                    configuration.add(ConfigSpace.Float(parameter.id, bounds, log=kind.scale is Scale.LOG))
                case Integer():
                    bounds = (kind.min_value, kind.max_value)
                    configuration.add(ConfigSpace.Integer(parameter.id, bounds, log=kind.scale is Scale.LOG))
                case Discrete():
                    configuration.add(ConfigSpace.Integer(parameter.id, (0, max(len(kind.values) - 1, 1))))
                case Categorical():
                    configuration.add(ConfigSpace.Categorical(parameter.id, list(kind.values)))
        scenario = smac.Scenario(
            configuration, n_trials=budget, deterministic=True, seed=seed, output_directory=tempfile.mkdtemp()
        )
        facade = smac.HyperparameterOptimizationFacade
        # By default it trains a model once for eight suggestions, which would waste half of a small budget.
        selector = facade.get_config_selector(scenario, retrain_after=1)
        self._facade = facade(scenario, lambda config, seed: 0.0, config_selector=selector, overwrite=True)  # noqa: ARG005

    def ask(self) -> tuple[Any, Point]:
        info = self._facade.ask()
        values: Point = {}
        for parameter in self._flat:
            value, kind = info.config[parameter.id], parameter.kind
            if isinstance(kind, Discrete):
                value = sorted(kind.values)[int(value)]
            values[parameter.id] = kind.check(_in_range(kind, _plain(value)))
        return info, _active(self._space, values)

    def tell(self, token: Any, value: float) -> None:
        import smac.runhistory

        self._facade.tell(token, smac.runhistory.TrialValue(cost=value))


class Hebo:
    """HEBO on the flat space, discrete values by rank; it pins an old NumPy, so it needs a separate environment."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        import hebo.design_space.design_space
        import hebo.optimizers.hebo
        import numpy as np
        import torch

        warnings.simplefilter("ignore")
        np.random.seed(seed)  # it draws from both
        torch.manual_seed(seed)
        self._space, self._flat = space, list(_flat(space))
        design = []
        for parameter in self._flat:
            kind, name = parameter.kind, parameter.id
            match kind:
                case Double() | Integer():
                    numbers = "num" if isinstance(kind, Double) else "int"
                    powers = "pow" if isinstance(kind, Double) else "pow_int"
                    of_kind = powers if kind.scale is Scale.LOG else numbers
                    design.append({"name": name, "type": of_kind, "lb": kind.min_value, "ub": kind.max_value})
                case Discrete():
                    design.append({"name": name, "type": "int", "lb": 0, "ub": len(kind.values) - 1})
                case Categorical():
                    design.append({"name": name, "type": "cat", "categories": list(kind.values)})
        self._optimizer = hebo.optimizers.hebo.HEBO(
            hebo.design_space.design_space.DesignSpace().parse(design), scramble_seed=seed
        )

    def ask(self) -> tuple[Any, Point]:
        asked = self._optimizer.suggest(1)
        values: Point = {}
        for parameter in self._flat:
            value, kind = _plain(asked[parameter.id].iloc[0]), parameter.kind
            if isinstance(kind, Discrete):
                value = sorted(kind.values)[int(value)]
            values[parameter.id] = kind.check(_in_range(kind, int(value) if isinstance(kind, Integer) else value))
        return asked, _active(self._space, values)

    def tell(self, token: Any, value: float) -> None:
        import numpy as np

        self._optimizer.observe(token, np.array([[value]]))


def _flat(space: SearchSpace) -> Iterator[Parameter]:
    seen = set()
    for _, parameter in space.walk():
        if parameter.id not in seen:
            seen.add(parameter.id)
            yield parameter


def _active(space: SearchSpace, values: Point) -> Point:
    kept: Point = {}
    pending = list(reversed(space.parameters))
    while pending:
        parameter = pending.pop()
        kept[parameter.id] = values[parameter.id]
        pending.extend(reversed(list(parameter.active_branches(values[parameter.id]))))
    return kept


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _in_range(kind: Any, value: Any) -> Any:
    if isinstance(kind, Double):
        return min(max(float(value), kind.min_value), kind.max_value)
    if isinstance(kind, Integer):  # KerasTuner rounds a logarithmic one beyond its end
        return min(max(value, kind.min_value), kind.max_value)
    return str(value) if isinstance(kind, Categorical) else value


def make(name: str, space: SearchSpace, seed: int, budget: int) -> Peer:
    """Return the peer of that name: one of `NAMES`, or an algorithm of ours by its registered name."""
    match name:
        case "optuna_tpe" | "optuna_gp":
            return Optuna(space, seed, name.removeprefix("optuna_"))
        case "skopt_gp" | "skopt_et":
            return Skopt(space, seed, name.removeprefix("skopt_").upper())
        case "keras_tuner":
            return KerasTuner(space, seed, budget)
        case "smac":
            return Smac(space, seed, budget)
        case "hebo":
            return Hebo(space, seed)
        case _:
            return Dodona(space, seed, name)


NAMES = ("RANDOM_SEARCH", "GP_BANDIT", "optuna_tpe", "optuna_gp", "skopt_gp", "keras_tuner", "smac")
