"""KerasTuner's own hypermodels, on two small images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner import HyperModel, HyperParameters, applications
from keras_tuner.src.applications import efficientnet

from dodona import Study
from dodona.keras import CloudTuner
from tests.keras.models import compile_model

Tune = Callable[..., CloudTuner]

IMAGES = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
SHAPE = {"input_shape": (32, 32, 3)}


@pytest.fixture(autouse=True)
def _eagerly() -> Iterator[None]:
    # Tracing these graphs takes longer than the one step.
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Augmented(HyperModel):
    """A small network behind KerasTuner's augmentation."""

    def build(self, hp: HyperParameters) -> keras.Model:
        # Its default, layers drawn at random, fails in Keras 3.
        augment = applications.HyperImageAugment(**SHAPE, augment_layers=0).build(hp)
        model = keras.Sequential([augment, keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
        compile_model(model, keras.optimizers.SGD(0.1))
        return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hypermodel", "few", "tuned"),
    [
        (applications.HyperResNet(**SHAPE, classes=2), {"conv3_depth": 2, "conv4_depth": 2}, {"version", "pooling"}),
        (applications.HyperXception(**SHAPE, classes=2), {"num_residual_blocks": 1}, {"kernel_size", "dense_use_bn"}),
        (applications.HyperEfficientNet(**SHAPE, classes=2), {"version": "B0"}, {"pooling", "top_dropout_rate"}),
        (Augmented(), {}, {"factor_rotate", "factor_contrast"}),
    ],
    ids=["ResNet", "Xception", "EfficientNet", "ImageAugment"],
)
def test_a_built_in_hypermodel(
    tune: Tune,
    study: Callable[[], Study],
    monkeypatch: pytest.MonkeyPatch,
    hypermodel: HyperModel,
    few: dict[str, Any],
    tuned: set[str],
) -> None:
    # It asks for weights that would have to be downloaded, and for larger images.
    untrained = partial(keras.applications.EfficientNetB0, weights=None)
    monkeypatch.setitem(efficientnet.EFFICIENTNET_MODELS, "B0", untrained)
    monkeypatch.setitem(efficientnet.EFFICIENTNET_IMG_SIZE, "B0", 32)
    space = HyperParameters()
    for name, value in few.items():
        space.Fixed(name, value)
    tuner = tune(hypermodel, objective="val_accuracy", max_trials=1, hyperparameters=space if few else None)
    labels = np.array([0, 1]) if isinstance(hypermodel, Augmented) else np.eye(2)
    tuner.search(IMAGES, labels, validation_data=(IMAGES, labels), epochs=1, verbose=0)
    (record,) = study().trials()
    assert record.state == "SUCCEEDED", record.infeasible_reason
    assert tuned <= study().space.keys()
    assert {name: tuner.get_best_hyperparameters()[0].values[name] for name in few} == few
