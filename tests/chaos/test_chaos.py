"""Every fault once, at small size; `make chaos` runs them long."""

from __future__ import annotations

import random

import pytest

from tests.chaos.faults import FAULTS, run


@pytest.mark.parametrize("name", list(FAULTS))
def test_no_promise_is_broken(name):
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown if the test fails
    assert run(name, seed, trials=16, workers=4) == []
