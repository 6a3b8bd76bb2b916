"""Write a digest of the suggestions for each of 1 000 histories, to compare two versions of the server.

    python benchmarks/same_suggestions.py > before.txt      in the one checkout
    python benchmarks/same_suggestions.py > after.txt       in the other, on the same machine
    diff before.txt after.txt

The digests are of all digits. They depend on the processor and on the versions of NumPy and SciPy.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence

from dodona_server.algorithms.contexts import suggest_in
from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Option, Safety, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

# The number of histories; few for those that take long.
HISTORIES = {
    "ALGORITHM_UNSPECIFIED": 50,
    "CMA_ES": 80,
    "GP_BANDIT": 90,
    "GRID_SEARCH": 80,
    "HYPERBAND": 100,
    "NSGA2": 90,
    "QUASI_RANDOM_SEARCH": 80,
    "RANDOM_SEARCH": 80,
    "REGULARIZED_EVOLUTION": 80,
    "SHUFFLED_GRID_SEARCH": 80,
    "SKOPT_FOREST": 30,
    "SKOPT_GBRT": 30,
    "SKOPT_GP": 30,
    "TPE": 100,
}
SINGLE = {"CMA_ES", "HYPERBAND", "REGULARIZED_EVOLUTION", "SKOPT_FOREST", "SKOPT_GBRT", "SKOPT_GP"}
OPTIONS: dict[str, dict[str, Option]] = {
    "HYPERBAND": {"max_epochs": 9},
    "NSGA2": {"population_size": 8},
    "REGULARIZED_EVOLUTION": {"population_size": 6},
    "SKOPT_FOREST": {"n_points": 100, "n_estimators": 10, "n_initial_points": 5},
    "SKOPT_GBRT": {"n_points": 100, "n_estimators": 5, "n_initial_points": 5},
    "SKOPT_GP": {"n_points": 100, "n_restarts_fit": 0, "n_restarts_optimizer": 1, "n_initial_points": 5},
    "TPE": {"n_initial_points": 5},
}
RATE = Parameter("rate", Double(1e-5, 1e-1, Scale.LOG))
UNITS = Parameter("units", Integer(8, 512, Scale.LOG))
KIND = Categorical(("adam", "sgd", "rmsprop"))
SPACES = (
    SearchSpace((Parameter("x", Double(-3.0, 5.0)), Parameter("y", Double(0.0, 1.0)))),
    SearchSpace((RATE, UNITS, Parameter("kind", KIND), Parameter("size", Discrete((16, 32, 64.5))))),
    SearchSpace((Parameter("kind", KIND, (Branch(("sgd",), Parameter("momentum", Double(0.0, 1.0))),)), RATE)),
    SearchSpace((Parameter("n", Integer(1, 6)), Parameter("c", Categorical(("a", "b", "c"))))),
    SearchSpace(tuple(Parameter(f"x{index}", Double(0.0, 1.0)) for index in range(6))),
)
METRICS = (
    (Metric("m", Goal.MINIMIZE),),
    (Metric("m", Goal.MAXIMIZE),),
    (Metric("m", Goal.MINIMIZE), Metric("n", Goal.MAXIMIZE)),
    (Metric("m", Goal.MINIMIZE), Metric("s", Goal.MINIMIZE, Safety(0.5))),
    (Metric("s", Goal.MINIMIZE, Safety(0.5)), Metric("t", Goal.MAXIMIZE, Safety(0.2))),
)


def main() -> None:
    """Write one line for each history: the algorithm, its number and the digest."""
    for name, count in HISTORIES.items():
        for index in range(count):
            digest = hashlib.sha256("\n".join(_answers(name, index)).encode()).hexdigest()
            print(name, index, digest, flush=True)


def _answers(name: str, index: int) -> Iterator[str]:
    """Yield what the algorithm suggests for a history, in a part of the space for every fifth one."""
    rng = random.Random(f"{name}/{index}")
    metrics = METRICS[index // len(SPACES) % (2 if name in SINGLE else len(METRICS))]
    spec = StudySpec(metrics, SPACES[index % len(SPACES)], name, algorithm_options=OPTIONS.get(name, {}))
    count, length = rng.randint(1, 3), rng.randint(0, 30)
    trials: list[Trial] = []
    while len(trials) < length:
        points = [sample(spec.space, rng)]
        if name == "HYPERBAND":
            # Its trials belong to brackets, so they have to be its own.
            points = ask(spec, trials, 2, index, ())[0]
            if not points:
                break
        trials += [_finished(spec, len(trials) + place, point, rng) for place, point in enumerate(points, start=1)]
    for trial in trials[-rng.randint(0, 3) :] if trials else []:
        trials[trial.number - 1] = Trial(trial.number, TrialState.ACTIVE, trial.parameters)
    spaces = () if index % 5 or name == "HYPERBAND" else (spec.space, spec.space)
    points, rest = ask(spec, trials, count, index, spaces)
    yield from (json.dumps({key: _exact(value) for key, value in point.items()}) for point in points)
    yield rest


def _exact(value: float | str) -> str:
    return float(value).hex() if isinstance(value, float) else repr(value)


def _finished(spec: StudySpec, number: int, point: dict, rng: random.Random) -> Trial:
    values = {metric.id: rng.gauss(0.0, 1.0) for metric in spec.metrics}
    state = TrialState.INFEASIBLE if rng.random() < 0.1 else TrialState.SUCCEEDED
    return Trial(number, state, point, end_time=rng.uniform(0, 99), final_measurement=Measurement(values))


def ask(
    spec: StudySpec, trials: Sequence[Trial], count: int, seed: int, spaces: Sequence[SearchSpace]
) -> tuple[list[dict], str]:
    """Return the suggested parameters as trials store them, and the rest of the answer as text."""
    completed = [trial for trial in trials if trial.state is not TrialState.ACTIVE]
    pending = [trial for trial in trials if trial.state is TrialState.ACTIVE]
    algorithm = algorithm_for(spec.algorithm)
    if spec.algorithm in ("QUASI_RANDOM_SEARCH", "GRID_SEARCH", "SHUFFLED_GRID_SEARCH") and not seed % 2:
        completed, pending = [], []
    problem = Problem(spec, len(trials), (), seed)
    rng = random.Random(f"{seed}/{len(trials)}")
    found = suggest_in(spaces, algorithm, Request(problem, completed, pending, count, rng))
    return [dict(point) for point in found.parameters], f"{found.wait} {found.note}"


if __name__ == "__main__":
    main()
