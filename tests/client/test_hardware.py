"""How many GPUs a worker counts as."""

from __future__ import annotations

import pytest

from dodona._trials.hardware import COUNT, VISIBLE, gpus


@pytest.mark.parametrize(
    ("visible", "number"),
    [("", 0.0), ("0", 1.0), ("3,1", 2.0), ("GPU-8f2e, GPU-91ab,", 2.0), ("0,-1,1", 1.0), ("-1", 0.0)],
)
def test_those_that_cuda_may_see(monkeypatch: pytest.MonkeyPatch, visible: str, number: float) -> None:
    monkeypatch.delenv(COUNT, raising=False)
    monkeypatch.setenv(VISIBLE, visible)
    assert gpus() == number


def test_a_number_that_is_told_counts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0,1")
    monkeypatch.setenv(COUNT, "0.25")
    assert gpus() == 0.25


@pytest.mark.parametrize("told", ["many", "-1", "nan", "10000"])
def test_what_is_no_number_of_gpus(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(COUNT, told)
    with pytest.raises(ValueError, match=f"DODONA_GPUS='{told}' is not a number of GPUs; write 1, 4 or 0.25"):
        gpus()
