"""How values read on a page."""

from __future__ import annotations

import math

import pytest

from dodona_server.web import format as texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (64.0, "64"),
        (0.5, "0.5"),
        (0.9873, "0.9873"),
        (0.987342, "0.98734"),
        (0.987302, "0.98730"),
        (-12.345678, "-12.346"),
        (123456.7, "123457"),
        (0.00012345678, "0.00012346"),
        (0.00001, "1e-5"),
        (1.23456789e-7, "1.2346e-7"),
        (-2.5e30, "-2.5e30"),
        (9007199254740993, "9007199254740993"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_have_five_significant_digits_and_integers_all(value: float, text: str) -> None:
    assert texts.number(value) == text


@pytest.mark.parametrize("value", [99999.7, 999999999.6, 0.000099999999, 0.99999999])
def test_rounding_up_to_the_next_power_of_ten_still_reads_as_that_number(value: float) -> None:
    assert float(texts.number(value)) == pytest.approx(value, rel=1e-4)


def test_text_is_shown_as_it_is() -> None:
    assert texts.shown("relu") == "relu"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.424, "0.42 s"),
        (9.99, "9.9 s"),
        (59.99, "59 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 05 min"),
        (100000, "1 d 3 h"),
        (math.inf, "–"),
        (math.nan, "–"),
    ],
)
def test_durations_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert texts.duration(seconds) == text


def test_exact_times_are_in_utc() -> None:
    assert texts.moment(1785587696) == "2026-08-01 12:34:56 UTC"
    assert texts.machine_time(1785587696) == "2026-08-01T12:34:56Z"


def test_a_long_name_keeps_its_end() -> None:
    assert texts.short("hyperparameter_17", 13) == "hyperp…ter_17"
    assert texts.short("learning_rate", 13) == "learning_rate"
