"""Filters of trials: what can be said, and what is said of what cannot."""

from __future__ import annotations

import pytest

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.filters import COLUMNS, Both, Comparison, Constant, Kind, read_filter, read_order

SPEC = StudySpec(
    (Metric("loss", Goal.MINIMIZE), Metric("a b", Goal.MAXIMIZE)),
    SearchSpace(
        (
            Parameter("rate", Double(0.0, 1.0)),
            Parameter("kind", Categorical(("a", "b"))),
            Parameter("state", Double(0.0, 1.0)),
        )
    ),
)


@pytest.mark.parametrize(
    "text",
    [
        "rate < 0.01 and state == 'succeeded'",
        "0.1 < rate <= 0.2 or not stopped",
        "kind in ['a', 'b'] and kind not in ('a',)",
        "metrics['a b'] > -1e-3 and parameters.state >= 0",
        "'memory' in reason or 'good' in tags",
        "rate * 2 + 1 > loss / 3 - 1",
        "started > '2026-08-01T12:30' and ended < '2026-08-02'",
        "stopped == False or stopped != True",
    ],
)
def test_what_can_be_said(text):
    read_filter(text, SPEC)


def test_a_value_may_come_first():
    assert read_filter("0.5 > rate", SPEC) == read_filter("rate < 0.5", SPEC)


def test_a_state_may_be_written_small():
    (comparison,) = [read_filter("state == 'succeeded'", SPEC)]
    assert comparison == Comparison("==", COLUMNS["state"], Constant("SUCCEEDED", Kind.TEXT))


def test_a_chain_compares_each_pair():
    found = read_filter("0 < rate < loss", SPEC)
    assert isinstance(found, Both)
    assert [one.operator for one in found.conditions] == [">", "<"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr < 1", "'lr' at character 1 is not a column; the columns are trial, state"),
        ("rate < 1 and lr < 1", "'lr' at character 14"),
        ("rate = 1", "write == to compare"),
        ("rate <", "cannot be understood"),
        ("rate < 'a'", "\"'a'\" at character 8 is a text, but rate is a number"),
        ("kind < 1", "'1' at character 8 is a number, but kind is a text"),
        ("state == 'done'", "is not a state; use REQUESTED, ACTIVE"),
        ("started > 'now'", "is not a time"),
        ("rate", "is not a condition; compare it with a value"),
        ("__import__('os').system('true')", "is not a condition"),
        ("rate.__class__ == 1", "is not a column"),
        ("(lambda: 1)() == 1", "is neither a column nor a value"),
        ("[x for x in rate] == 1", "is neither a column nor a value"),
        ("f'{rate}' == 'a'", "is neither a column nor a value"),
        ("rate ** 2 > 1", "is neither a column nor a value"),
        ("kind * 2 > 1", "'kind' at character 1 is a text, not a number"),
        ("tags == 'a'", 'write "a tag" in tags'),
        ("1 in rate", "contains nothing"),
        ("rate is 1", "is compared in a way that is not possible"),
        ("rate < 1" + " and rate < 1" * 100, "more than 200 parts"),
        ("(" * 900 + "rate" + ")" * 900, "cannot be understood"),
        ("-" * 900 + "rate < 1", ""),
        ("rate < 1\0", "cannot be understood"),
        ("kind == 'a\\x00'", "is neither a column nor a value"),
        ("'\\ud800' in reason", "is not text"),
        (f"rate < 1{'0' * 400}", "is neither a column nor a value"),
        ("rate < 1e999", "is neither a column nor a value"),
        ("rate < 1j", "is neither a column nor a value"),
        ("kind == b'a'", "is neither a column nor a value"),
        ("дослід < 1", "'дослід' at character 1 is not a column"),
    ],
)
def test_what_cannot_be_said_is_named(text, words):
    with pytest.raises(InvalidArgument) as refused:
        read_filter(text, SPEC)
    assert words in str(refused.value)


def test_the_best_come_first_and_any_column_sorts():
    assert read_order("objective", SPEC).descending is False
    assert read_order("rate desc", SPEC).descending is True
    assert read_order("a b", SPEC).column.name == "a b"
    with pytest.raises(InvalidArgument, match="no column 'lr'"):
        read_order("lr desc", SPEC)
