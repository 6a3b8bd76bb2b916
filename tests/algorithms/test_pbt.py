"""Population-based training: exploit and explore."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import (
    BRACKET,
    EPOCHS,
    INITIAL_EPOCH,
    RESUME_FROM,
    ROUND,
    without_tuner_values,
)
from tests.support.simulated_workers import simulate

SPACE = SearchSpace(
    (
        Parameter("rate", Double(1e-4, 1.0, Scale.LOG)),
        Parameter("units", Integer(8, 64)),
        Parameter(
            "optimizer", Categorical(("adam", "sgd")), (Branch(("sgd",), Parameter("momentum", Double(0.0, 0.9))),)
        ),
        Parameter("batch", Discrete((16, 32, 64))),
    )
)
OPTIONS = {"population": 10, "interval": 2, "max_epochs": 9}


def spec_of(most=None, space=SPACE, **options):
    return StudySpec(
        (Metric("m", Goal.MAXIMIZE),),
        space,
        "PBT",
        stopping=StoppingConfig(max_num_trials=most),
        algorithm_options=OPTIONS | options,
    )


def seconds_of(trial):
    return trial.parameters[EPOCHS] - trial.parameters[INITIAL_EPOCH]


def searched(spec, workers=1, value_of=lambda trial: trial.parameters["rate"], **arguments):
    return simulate(spec, workers, value_of, seconds_of, **arguments)


def value(trial):
    return trial.final_measurement.metrics["m"] if trial.final_measurement else None


@pytest.mark.parametrize("workers", [1, 4, 10])
def test_every_member_trains_all_its_parts(workers):
    trials = searched(spec_of(), workers).trials
    parts = Counter(
        (trial.parameters[ROUND], trial.parameters[INITIAL_EPOCH], trial.parameters[EPOCHS]) for trial in trials
    )
    assert parts == {(0, 0, 2): 10, (1, 2, 4): 10, (2, 4, 6): 10, (3, 6, 8): 10, (4, 8, 9): 10}
    members = defaultdict(list)
    for trial in trials:
        members[trial.parameters[BRACKET]].append(trial.parameters[ROUND])
        if trial.parameters[ROUND]:
            parent = trials[int(trial.parameters[RESUME_FROM]) - 1]
            assert parent.parameters[EPOCHS] == trial.parameters[INITIAL_EPOCH]
            assert parent.number < trial.number
        else:
            assert RESUME_FROM not in trial.parameters
    assert list(members.values()) == [[0, 1, 2, 3, 4]] * 10


def test_the_worst_copy_the_best_and_change_and_the_others_go_on_as_they_are():
    trials = searched(spec_of()).trials
    copies = 0
    for trial in trials:
        values = trial.parameters
        if not values[ROUND]:
            continue
        before = [one for one in trials if one.parameters[ROUND] == values[ROUND] - 1]
        ranked = sorted(before, key=value, reverse=True)
        (own,) = [one for one in before if one.parameters[BRACKET] == values[BRACKET]]
        parent = trials[int(values[RESUME_FROM]) - 1]
        if own in ranked[-2:]:
            copies += 1
            assert parent in ranked[:2]
            assert values["rate"] != parent.parameters["rate"]
            # By default, only doubles change: others often set a shape.
            for name in ("units", "optimizer", "batch"):
                assert values[name] == parent.parameters[name]
        else:
            assert parent is own
            assert without_tuner_values(values) == without_tuner_values(own.parameters)
    assert copies == 2 * 4


def test_named_parameters_change_within_their_ranges():
    spec = spec_of(mutable="units, batch,momentum", population=10, interval=1, max_epochs=40)
    changed = Counter()
    rng = random.Random(0)
    trials = searched(spec, value_of=lambda trial: rng.random()).trials
    for trial in trials:
        plain = without_tuner_values(trial.parameters)
        assert SPACE.check(plain) == plain
        if (number := trial.parameters.get(RESUME_FROM)) is not None:
            parent = without_tuner_values(trials[int(number) - 1].parameters)
            changed.update(name for name in plain if plain[name] != parent[name])
    assert changed.keys() == {"units", "batch", "momentum"}


def test_it_is_better_than_its_members_without_copies():
    space = SearchSpace((Parameter("x", Double(0.0, 1.0)),))

    def gain(x, epochs):
        """What an epoch adds; the best x moves with the epochs."""
        return 1 - abs(x - epochs / 20)

    def gap(seed):
        quality = {}

        def value_of(trial):
            values = trial.parameters
            before = quality[int(values[RESUME_FROM])] if RESUME_FROM in values else 0.0
            quality[trial.number] = before + gain(values["x"], values[EPOCHS])
            return quality[trial.number]

        trials = searched(spec_of(space=space, max_epochs=20, interval=1), 5, value_of, seed=seed).trials
        first = [trial.parameters["x"] for trial in trials if not trial.parameters[ROUND]]
        return max(quality.values()) - max(sum(gain(x, epochs) for epochs in range(1, 21)) for x in first)

    gaps = [gap(seed) for seed in range(10)]
    assert sum(gaps) / 10 > 0.5
    assert sum(one > 0 for one in gaps) >= 8


def test_a_small_population_copies_too():
    trials = searched(spec_of(population=3)).trials
    continued = [(trial, trials[int(trial.parameters[RESUME_FROM]) - 1]) for trial in trials[3:]]
    assert sum(trial.parameters[BRACKET] != parent.parameters[BRACKET] for trial, parent in continued) == 4


def test_a_member_that_fails_copies_another_one():
    failing = {3, 4}
    trials = searched(spec_of(), 1, lambda trial: None if trial.number in failing else trial.parameters["rate"]).trials
    assert len(trials) == 50
    for trial in trials:
        assert trial.parameters.get(RESUME_FROM) not in {"3", "4"}


def test_nobody_waits_for_a_dead_worker():
    whole = searched(spec_of(), 3)
    # The lease never ends: one member is lost, the others are trained to their ends.
    lost = searched(spec_of(), 4, dies=lambda number: number == 5)
    counts = Counter(trial.parameters[BRACKET] for trial in lost.trials)
    assert sorted(counts.values()) == [1] + [5] * 9
    assert lost.seconds <= whole.seconds * 1.1


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(5, 12),
    st.integers(1, 12),
    st.sampled_from((0.0, 0.3, 1.0)),
    st.integers(0, 2**32),
)
def test_a_search_ends_whatever_fails(population, interval, most, workers, failing, seed):
    rng = random.Random(seed)
    spec = spec_of(population=population, interval=interval, max_epochs=most)
    trials = searched(spec, workers, lambda trial: None if rng.random() < failing else rng.random()).trials
    places = Counter((trial.parameters[BRACKET], trial.parameters[ROUND]) for trial in trials)
    assert set(places.values()) == {1}
    if not failing:
        assert len(trials) == population * -(-most // interval)


def test_the_budget_holds_and_may_be_extended():
    trials = searched(spec_of(13), 4).trials
    assert len(trials) == 13
    assert len(searched(spec_of(), 4, before=trials, seed=1).trials) == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"mutable": "rate,layers"},
            r"mutable: 'layers' is not a parameter without conditional ones; there are: rate, units",
        ),
        ({"mutable": "optimizer"}, r"mutable: 'optimizer' is not a parameter without conditional ones"),
        ({"mutable": 3}, r"mutable: 3 is not a parameter"),
        ({"population": 0}, r"population: 0 is not a whole number from 1"),
        ({"interval": 10}, r"interval: 10 is not a whole number from 1 to 9"),
        ({"sampler": "TPE"}, r"'sampler' is not an option of PBT"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        algorithm_for("PBT").check(spec_of(**options))
