"""Measure what a suggestion of GP_BANDIT costs, by the number of finished and of running trials.

    OMP_NUM_THREADS=1 python benchmarks/suggestion_cost.py

Milliseconds of CPU time of one thread. Ten parameters of all kinds, one of them conditional; each suggestion knows one
result more than the one before it, as in a study. The first number is the median over `STEPS` suggestions, the second
one the largest: one in eight fits the hyperparameters from the prior, the others from those of the first results.
"""

from __future__ import annotations

import random
import statistics
import time

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from markdown_tables import aligned

FINISHED = (20, 50, 100, 250, 1_000, 10_000, 100_000)
RUNNING = (0, 8)
STEPS = 16

SPACE = SearchSpace(
    (
        Parameter("learning_rate", Double(1e-5, 1e-1, Scale.LOG)),
        Parameter("dropout", Double(0.0, 0.9)),
        Parameter("weight_decay", Double(1e-6, 1e-2, Scale.LOG)),
        Parameter("units", Integer(8, 512, Scale.LOG)),
        Parameter("layers", Integer(1, 6)),
        Parameter("batch", Discrete((16, 32, 64, 128))),
        Parameter("activation", Categorical(("relu", "tanh", "elu", "gelu"))),
        Parameter("norm", Categorical(("none", "batch", "layer"))),
        Parameter("kind", Categorical(("adam", "sgd")), (Branch(("sgd",), Parameter("momentum", Double(0.0, 1.0))),)),
    )
)
SPEC = StudySpec((Metric("loss", Goal.MINIMIZE),), SPACE, "GP_BANDIT")


def main() -> None:
    """Print the table."""
    rows = [[f"{running} running", *(_cell(finished, running) for finished in FINISHED)] for running in RUNNING]
    print(aligned(["finished trials", *map(str, FINISHED)], rows))


def _cell(finished: int, running: int) -> str:
    """Return the median and the greatest milliseconds of `STEPS` suggestions, up to that many finished trials."""
    rng = random.Random(0)
    trials = [_trial(number, rng) for number in range(1, finished + running + 1)]
    pending = [Trial(trial.number, TrialState.ACTIVE, trial.parameters) for trial in trials[finished:]]
    algorithm, costs = algorithm_for("GP_BANDIT"), []
    for count in range(finished - STEPS, finished + 1):
        request = Request(Problem(SPEC, count), trials[:count], pending, 1, random.Random(count))
        began = time.process_time()
        algorithm.suggest(request)
        costs.append(1000 * (time.process_time() - began))
    # The first one imports libraries, or knows nothing from the ones before.
    return f"{statistics.median(costs[1:]):.0f} / {max(costs[1:]):.0f}"


def _trial(number: int, rng: random.Random) -> Trial:
    values = sample(SPACE, rng)
    loss = sum(float(value) ** 2 for value in values.values() if isinstance(value, float)) + 0.05 * rng.gauss(0.0, 1.0)
    return Trial(number, TrialState.SUCCEEDED, values, final_measurement=Measurement({"loss": loss}))


if __name__ == "__main__":
    main()
