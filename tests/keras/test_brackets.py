"""Hyperband's brackets are KerasTuner's."""

from __future__ import annotations

import keras_tuner
import pytest

from dodona_server.algorithms.multi_fidelity.fidelity import Fidelity
from dodona_server.algorithms.multi_fidelity.hyperband import plan_of


@pytest.mark.parametrize("factor", [2, 3, 4, 10])
def test_sizes_and_epochs_equal_keras_tuners(factor):
    for max_epochs in (1, 2, 9, 10, 27, 81, 100, 125, 243, 1000):
        theirs = keras_tuner.oracles.HyperbandOracle("val_loss", max_epochs=max_epochs, factor=factor)
        ours = plan_of(Fidelity(1, max_epochs), factor)
        assert theirs._get_num_brackets() == len(ours)
        for bracket in range(len(ours)):
            for number in range(bracket + 1):
                assert theirs._get_size(bracket, number) == ours[bracket][number].size
                assert theirs._get_epochs(bracket, number) == ours[bracket][number].resource
