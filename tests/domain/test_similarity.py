"""How alike studies are: by the names, kinds and ranges of their parameters, and by their objectives."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.difference import first_difference
from dodona_server.domain.studies.similarity import LEAST_SIMILARITY, MOST_FOUND, most_similar, similarity
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec

LOSS = Metric("loss", Goal.MINIMIZE)


def spec(*metrics, **kinds):
    return StudySpec(metrics or (LOSS,), SearchSpace(tuple(Parameter(name, kind) for name, kind in kinds.items())))


RATE = Double(1e-4, 1e-1, Scale.LOG)
ONE = spec(rate=RATE, units=Integer(1, 5), kind=Categorical(("a", "b")))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (ONE, ONE, 1.0),
        (spec(x=Double(0, 1)), spec(y=Double(0, 1)), 0.0),
        (spec(x=Double(0, 1)), spec(x=Double(0, 1), y=Double(0, 1)), 0.5),
        (spec(x=Double(0, 2)), spec(x=Double(1, 3)), 1 / 3),
        (spec(x=Double(0, 1)), spec(x=Double(2, 3)), 0.0),
        # On the logarithmic scale, two of three decades are shared.
        (spec(x=RATE), spec(x=Double(1e-3, 1e-1, Scale.LOG)), 2 / 3),
        (spec(x=Categorical(("a", "b", "c"))), spec(x=Categorical(("c", "b", "d"))), 0.5),
        (spec(x=Integer(1, 5)), spec(x=Discrete((1, 3, 5))), 0.8),
        (spec(x=Integer(1, 5)), spec(x=Categorical(("1", "5"))), 0.0),
        (spec(x=Double(1, 1)), spec(x=Double(1, 1)), 1.0),
        (spec(x=Double(1, 1)), spec(x=Double(0, 2)), 0.0),
        (spec(), spec(), 0.0),
        (spec(LOSS, x=RATE), spec(Metric("loss", Goal.MAXIMIZE), x=RATE), 0.0),
        (spec(LOSS, x=RATE), spec(Metric("error", Goal.MINIMIZE), x=RATE), 0.0),
        # Constraints are no objectives.
        (spec(LOSS, x=RATE), spec(LOSS, Metric("size", Goal.MINIMIZE, Safety(3.0)), x=RATE), 1.0),
    ],
)
def test_similarity(one, other, expected):
    assert similarity(one, other) == pytest.approx(expected)
    assert similarity(other, one) == pytest.approx(expected)


def test_a_name_in_two_branches_counts_by_the_branches_that_are_most_alike():
    def study(*ranges):
        branches = tuple(
            Branch((name,), Parameter("size", Double(0, high))) for name, high in zip("ab", ranges, strict=True)
        )
        return StudySpec((LOSS,), SearchSpace((Parameter("kind", Categorical(("a", "b")), branches),)))

    assert similarity(study(1, 9), study(9, 1)) == pytest.approx(1.0)


kinds = st.one_of(
    st.builds(lambda low, more: Double(low, low + more), st.integers(-9, 9), st.integers(0, 9)),
    st.builds(lambda low, more: Double(low, low + more, Scale.LOG), st.integers(1, 9), st.integers(0, 9)),
    st.builds(lambda low, more: Integer(low, low + more), st.integers(-9, 9), st.integers(0, 9)),
    st.builds(lambda values: Categorical(tuple(values)), st.sets(st.sampled_from("abcdef"), min_size=1)),
    st.builds(lambda values: Discrete(tuple(values)), st.sets(st.integers(-9, 9), min_size=1)),
)
specs = st.builds(lambda named: spec(**named), st.dictionaries(st.sampled_from("vwxyz"), kinds, min_size=1))


@given(specs, specs)
def test_similarity_is_a_share_that_does_not_depend_on_the_order(one, other):
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == pytest.approx(similarity(other, one))
    assert similarity(one, one) == pytest.approx(1.0)


def test_the_most_similar_studies_come_first_and_the_latest_of_equal_ones():
    wide = spec(x=Double(0, 4))
    others = [(spec(x=Double(0, high)), f"{high}") for high in (4, 2, 3, 1, 4)]
    found = most_similar(wide, others)
    assert found == [(1.0, "4"), (1.0, "4"), (0.75, "3")]
    assert len(found) == MOST_FOUND
    assert all(how >= LEAST_SIMILARITY for how, _ in most_similar(wide, others[1:4]))
    assert [name for _, name in most_similar(wide, others[1:4])] == ["3", "2"]


def test_what_was_found_makes_no_other_spec():
    auto = dataclasses.replace(ONE, auto_prior_studies=True)
    found = dataclasses.replace(auto, found_prior_studies=("projects/p/locations/l/studies/s",))
    assert auto == found
    assert found.learns_from
    other = dataclasses.replace(found, algorithm="TPE")
    assert first_difference(auto, other).field == "algorithm"
