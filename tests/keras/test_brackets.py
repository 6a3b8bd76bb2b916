"""Hyperband's brackets are KerasTuner's."""

from __future__ import annotations

import keras_tuner
import pytest

from dodona_server.algorithms.hyperband.brackets import Plan


@pytest.mark.parametrize("factor", [2, 3, 4, 10])
def test_sizes_and_epochs_equal_keras_tuners(factor):
    for max_epochs in (1, 2, 9, 10, 27, 81, 100, 125, 243, 1000):
        theirs = keras_tuner.oracles.HyperbandOracle("val_loss", max_epochs=max_epochs, factor=factor)
        ours = Plan(max_epochs, factor)
        assert theirs._get_num_brackets() == ours.brackets
        for bracket in range(ours.brackets):
            for number in range(bracket + 1):
                assert theirs._get_size(bracket, number) == ours.size(bracket, number)
                assert theirs._get_epochs(bracket, number) == ours.epochs(bracket, number)
