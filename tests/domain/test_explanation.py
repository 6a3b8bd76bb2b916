"""Explanations survive the way through a trial's metadata, whatever else clients write there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.trials.explanation import EXPLANATION, Expectation, Explanation, read_explanation

# Few digits, so that rounding keeps them.
numbers = st.integers(-99999, 99999).map(lambda whole: whole / 1000)
shares = st.integers(0, 1000).map(lambda whole: whole / 1000)


@given(
    st.none() | st.builds(Expectation, numbers, numbers, numbers),
    st.none() | shares,
    st.none() | st.integers(1, 10**6),
    st.dictionaries(st.text(), shares),
    st.none() | shares,
    st.none() | shares,
    st.dictionaries(st.text(), shares),
)
def test_what_is_written_is_read_again(expected, exploring, best, kept, prior_studies, hints, by_prior_study):
    written = Explanation(expected, exploring, best, kept, prior_studies, hints, by_prior_study)
    assert read_explanation({EXPLANATION: written.text}) == written


@given(
    st.text()
    | st.sampled_from(["[]", "7", "null", '{"expected": 3}', '{"expected": [1]}', '{"kept": [1]}', '{"best": "x"}'])
)
def test_anything_else_is_no_explanation(text):
    read_explanation({EXPLANATION: text})
    assert read_explanation({EXPLANATION: f"{{{text}"}) is None


def test_no_entry_is_no_explanation():
    assert read_explanation({}) is None
