"""Tasks that `networks.py` trains: networks of several kinds, on data of scikit-learn or made here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from curves.data import Data, load
from curves.network_data import (
    LETTERS,
    chaos,
    checkers,
    fewer,
    images,
    itself,
    made,
    modular,
    noisy_patches,
    parity,
    pixels,
    ratings,
    reversals,
    rows,
    spirals,
    sums,
    taught,
    text,
    which_photograph,
)
from curves.network_models import WIDTH, cnn, entropy, factors, mlp, recurrent, square, transformer
from curves.networks import OPTIMIZERS, NetworkTask
from curves.trainings import Dimension, choice, linear, log


def _rates(low: float = 1e-4, high: float = 1.0) -> tuple[Dimension, ...]:
    return (log("learning_rate", low, high), choice("optimizer", *OPTIMIZERS), linear("momentum", 0.0, 0.99))


_SCHEDULE = (linear("last_rate", 0.0, 1.0), linear("warm_up", 0.0, 0.2))
_PENALTIES = (log("weight_decay", 1e-6, 0.1), linear("dropout", 0.0, 0.6))
_SHAPE = (log("width", 4, WIDTH), choice("layers", 1, 2, 3), choice("activation", "relu", "tanh", "sigmoid", "gelu"))
_SIZE = (choice("batch_size", 8, 16, 64),)
_START = (log("init_scale", 0.2, 3.0),)
BOTH = {"val_loss": "min", "val_accuracy": "max"}
LOSS = {"val_loss": "min"}
ACCURACY = {"val_accuracy": "max"}


def _task(
    name: str,
    data: Callable[[], Data],
    space: tuple[Dimension, ...],
    model: tuple[Any, Any],
    losses: Any,
    metrics: dict[str, str],
    steps: int = 20,
) -> NetworkTask:
    return NetworkTask(f"jax_{name}", functools.cache(data), space, *model, losses, metrics, steps)


TASKS = (
    _task(
        "mlp_digits_noisy",
        lambda: load("digits", 0.2),
        _rates() + _PENALTIES + _SHAPE + _SIZE,
        mlp(64, 10),
        entropy,
        BOTH,
    ),
    _task(
        "mlp_digits_few",
        lambda: fewer(load("digits"), 200),
        _rates(1e-3, 1.0) + _PENALTIES + _SCHEDULE,
        mlp(64, 10),
        entropy,
        BOTH,
        10,
    ),
    _task(
        "mlp_cancer",
        lambda: load("breast_cancer", 0.1),
        _rates(1e-5, 0.3) + _PENALTIES + _SHAPE,
        mlp(30, 2),
        entropy,
        BOTH,
        10,
    ),
    _task(
        "mlp_quantiles",
        lambda: made("gaussian_quantiles", 1500, n_features=10, n_classes=3),
        _rates() + _SHAPE + _START,
        mlp(10, 3),
        entropy,
        ACCURACY,
    ),
    _task(
        "mlp_classes",
        lambda: made("classification", 1500, n_features=30, n_informative=12, n_classes=5, flip_y=0.1),
        _rates() + _PENALTIES + _SIZE,
        mlp(30, 5),
        entropy,
        BOTH,
    ),
    _task("mlp_spirals", spirals, _rates(1e-3, 1.0) + _SHAPE + _SCHEDULE, mlp(2, 2), entropy, LOSS, 40),
    _task("mlp_parity", parity, _rates(1e-3, 1.0) + _SHAPE + _START + _SIZE, mlp(12, 2), entropy, BOTH, 40),
    _task("mlp_checkers", checkers, _rates() + _SHAPE + _SCHEDULE + _START, mlp(2, 2), entropy, ACCURACY, 40),
    _task(
        "mlp_friedman1",
        lambda: made("friedman1", 600, noise=2.0),
        _rates(1e-5, 0.3) + _PENALTIES + _SHAPE + _SIZE,
        mlp(10, 1),
        square,
        LOSS,
        15,
    ),
    _task(
        "mlp_friedman3",
        lambda: made("friedman3", 400, noise=0.1),
        _rates(1e-5, 0.3) + _SHAPE + _SCHEDULE,
        mlp(4, 1),
        square,
        LOSS,
        15,
    ),
    _task(
        "mlp_diabetes", lambda: load("diabetes"), _rates(1e-5, 0.3) + _PENALTIES + _START, mlp(10, 1), square, LOSS, 6
    ),
    _task("mlp_taught", taught, _rates(1e-5, 0.3) + _PENALTIES + _SHAPE + _SCHEDULE, mlp(12, 1), square, LOSS),
    _task("mlp_pixels", pixels, _rates(1e-4, 0.3) + _SHAPE + _SCHEDULE + _START, mlp(14, 1), square, LOSS, 40),
    _task(
        "linear_digits",
        lambda: itself(load("digits")),
        _rates(1e-4, 0.3) + _START + _SIZE,
        mlp(64, 64, is_linear=True),
        square,
        LOSS,
    ),
    _task(
        "autoencoder_digits",
        lambda: itself(load("digits")),
        (*_rates(1e-4, 0.3), *_PENALTIES, log("width", 4, 16), *_SHAPE[1:]),
        mlp(64, 64),
        square,
        LOSS,
    ),
    _task("denoiser_patches", noisy_patches, _rates(1e-4, 0.3) + _PENALTIES + _SHAPE, mlp(64, 64), square, LOSS),
    _task(
        "cnn_digits_few",
        lambda: fewer(images(load("digits")), 300),
        (*_rates(), *_PENALTIES, choice("normalized", False, True), *_SHAPE[2:]),
        cnn(1, 10),
        entropy,
        BOTH,
        15,
    ),
    _task(
        "cnn_photographs",
        which_photograph,
        (*_rates(1e-4, 0.3), *_PENALTIES, *_SCHEDULE, choice("normalized", False, True)),
        cnn(3, 2),
        entropy,
        BOTH,
    ),
    _task(
        "gru_digits",
        lambda: rows(load("digits", 0.1)),
        (*_rates(1e-4, 0.3), *_PENALTIES, log("width", 4, 32)),
        recurrent(8, 10),
        entropy,
        ACCURACY,
    ),
    _task("gru_sums", sums, _rates(1e-3, 0.3) + _SCHEDULE + _START, recurrent(2, 1), square, LOSS, 30),
    _task(
        "rnn_chaos",
        chaos,
        _rates(1e-4, 0.3) + _START + _SCHEDULE + _SIZE,
        recurrent(1, 1, gated=False),
        square,
        LOSS,
    ),
    _task(
        "gru_text",
        lambda: text(24),
        (*_rates(1e-4, 0.3), *_PENALTIES, log("width", 4, 32)),
        recurrent(LETTERS, LETTERS, letters=True, every=True),
        entropy,
        LOSS,
        25,
    ),
    _task(
        "transformer_text",
        lambda: text(24),
        _rates(1e-5, 0.1) + _PENALTIES + _SCHEDULE,
        transformer(LETTERS, 24, LETTERS, causal=True, every=True),
        entropy,
        LOSS,
        25,
    ),
    _task(
        "transformer_modular",
        lambda: modular(17),
        _rates(1e-4, 0.1) + _PENALTIES + _START,
        transformer(17, 2, 17, causal=False, every=False),
        entropy,
        BOTH,
        40,
    ),
    _task(
        "transformer_reversed",
        reversals,
        _rates(1e-4, 0.1) + _SCHEDULE + _START,
        transformer(8, 10, 8, causal=False, every=True),
        entropy,
        LOSS,
        25,
    ),
    _task("factors_ratings", ratings, _rates(1e-3, 0.3) + _PENALTIES + _START, factors(80, 60), square, LOSS),
)
