"""Trainings of Keras models with Keras optimizers, by a loop that is compiled once for each architecture.

What changes from configuration to configuration without a new architecture is a variable of the compiled loop: the
learning rate, its schedule, the dropout rate and the weight penalty.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from curves.data import Data, load
from curves.trainings import EPOCHS, Configuration, Metrics, Task, choice, linear, log

tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.threading.set_intra_op_parallelism_threads(1)

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: keras.optimizers.SGD(1.0, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(1.0),
    "rmsprop": lambda: keras.optimizers.RMSprop(1.0),
    "adagrad": lambda: keras.optimizers.Adagrad(1.0, initial_accumulator_value=0.0),
}
# Builds a model for the data with the values of the architecture and a dropout layer.
Build = Callable[[Data, Configuration, Callable[[], Any]], Any]


class Dropout(layers.Layer):
    """Dropout whose rate is a variable."""

    def __init__(self, rate: Any) -> None:
        super().__init__()
        self.rate = rate

    def call(self, inputs: Any, training: bool = False) -> Any:
        return tf.nn.dropout(inputs, rate=self.rate) if training else inputs


@dataclass(frozen=True)
class Compiled:
    """A model with its compiled training loop."""

    fresh: Callable[[], Any]
    model: Any
    optimizer: Any
    dropout: Any
    penalty: Any
    epoch: Callable[[Any], None]
    score: Callable[[], tuple[Any, Any]]

    def train(self, values: Configuration, seed: int, examples: int, batch: int) -> Iterator[Metrics]:
        """Yield the metrics after each epoch of a training with new weights."""
        keras.utils.set_random_seed(seed)
        self.model.set_weights(self.fresh().get_weights())
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        self.dropout.assign(values.get("dropout", 0.0))
        self.penalty.assign(values.get("l2", 0.0))
        rng = np.random.default_rng(seed)
        for epoch in range(EPOCHS):
            falling = 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))
            last = values.get("last_rate", 1.0)
            self.optimizer.learning_rate.assign(values["learning_rate"] * (last + (1 - last) * falling))
            order = rng.permutation(examples)[: examples // batch * batch].reshape(-1, batch)
            self.epoch(tf.constant(order))
            loss, accuracy = self.score()
            yield {"val_loss": float(loss), "val_accuracy": float(accuracy)}


def compiled(build: Build, data: Data, architecture: Configuration, optimizer_name: str) -> Compiled:
    """Return the loop of an architecture."""
    dropout, penalty = tf.Variable(0.0), tf.Variable(0.0)
    fresh = functools.partial(build, data, architecture, lambda: Dropout(dropout))
    model, optimizer = fresh(), OPTIMIZERS[optimizer_name]()
    optimizer.build(model.trainable_variables)
    regression = data.y.dtype.kind == "f"
    losses = keras.losses.MeanSquaredError() if regression else keras.losses.SparseCategoricalCrossentropy(True)
    x, y, x_valid, y_valid = map(tf.constant, data)
    kernels = [weight for weight in model.trainable_variables if len(weight.shape) > 1]

    @tf.function
    def epoch(order: Any) -> None:
        for index in tf.range(tf.shape(order)[0]):
            chosen = order[index]
            with tf.GradientTape() as tape:
                loss = losses(tf.gather(y, chosen), model(tf.gather(x, chosen), training=True))
                loss += penalty * tf.add_n([tf.reduce_sum(tf.square(kernel.value)) for kernel in kernels])
            optimizer.apply(tape.gradient(loss, model.trainable_variables))

    @tf.function
    def score() -> tuple[Any, Any]:
        found = model(x_valid, training=False)
        right = tf.zeros(1) if regression else tf.equal(tf.argmax(found, -1), tf.cast(y_valid, tf.int64))
        return losses(y_valid, found), tf.reduce_mean(tf.cast(right, tf.float32))

    return Compiled(fresh, model, optimizer, dropout, penalty, epoch, score)


def task(
    name: str,
    data: Callable[[], Data],
    build: Build,
    *space: Any,
    architecture: tuple[str, ...],
    metrics: tuple[str, ...] = ("val_loss", "val_accuracy"),
) -> Task:
    """Return a task whose loop is compiled once for each value of `architecture`, optimizer and batch size."""

    @functools.cache
    def loop(key: tuple[Any, ...], optimizer: str, batch: int) -> Compiled:  # noqa: ARG001 - one trace each
        return compiled(build, data(), dict(zip(architecture, key, strict=True)), optimizer)

    def train(values: Configuration, seed: int) -> Iterator[Metrics]:
        key, batch = tuple(values[part] for part in architecture), values["batch_size"]
        for found in loop(key, values["optimizer"], batch).train(values, seed, len(data().x), batch):
            yield {metric: found[metric] for metric in metrics}

    return Task(name, space, {metric: "min" if metric == "val_loss" else "max" for metric in metrics}, train)


def _mlp(data: Data, values: Configuration, dropout: Callable[[], Any]) -> Any:
    parts = [keras.Input(data.x.shape[1:])]
    for _ in range(values.get("layers", 1)):
        parts += [layers.Dense(values["width"], values.get("activation", "relu")), dropout()]
    return keras.Sequential([*parts, layers.Dense(1 if data.y.dtype.kind == "f" else data.classes)])


def _cnn(data: Data, values: Configuration, dropout: Callable[[], Any]) -> Any:
    normalized = [layers.BatchNormalization()] if values["normalized"] else []
    return keras.Sequential(
        [
            keras.Input(data.x.shape[1:]),
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            *normalized,
            layers.MaxPooling2D(),
            layers.Conv2D(16, 2, activation="relu"),
            layers.Flatten(),
            dropout(),
            layers.Dense(data.classes),
        ]
    )


def _recurrent(data: Data, values: Configuration, dropout: Callable[[], Any]) -> Any:
    cell = {"gru": layers.GRU, "rnn": layers.SimpleRNN}[values["cell"]]
    return keras.Sequential(
        [
            keras.Input(data.x.shape[1:]),
            layers.Reshape((8, 8)),
            cell(values["width"], unroll=True),
            dropout(),
            layers.Dense(data.classes),
        ]
    )


def _attention(data: Data, values: Configuration, dropout: Callable[[], Any]) -> Any:
    inputs = keras.Input(data.x.shape[1:])
    features = data.x.shape[1]
    place = layers.Embedding(features, values["width"])(tf.range(features))
    tokens = layers.Dense(values["width"])(layers.Reshape((features, 1))(inputs)) + place
    found = tokens + layers.MultiHeadAttention(2, values["width"])(tokens, tokens)
    hidden = layers.Dense(2 * values["width"], "gelu")(layers.LayerNormalization()(found))
    pooled = layers.GlobalAveragePooling1D()(dropout()(hidden))
    return keras.Model(inputs, layers.Dense(data.classes)(pooled))


_COMMON = (log("l2", 1e-7, 1e-1), linear("dropout", 0.0, 0.7))
_OPTIMIZER = choice("optimizer", "sgd", "adam", "rmsprop", "adagrad")

TASKS = (
    task(
        "keras_mlp_digits",
        lambda: load("digits", 0.1),
        _mlp,
        log("learning_rate", 1e-4, 3.0),
        *_COMMON,
        linear("last_rate", 0.0, 1.0),
        choice("width", 16, 64),
        choice("activation", "relu", "tanh"),
        _OPTIMIZER,
        choice("batch_size", 32, 128),
        architecture=("width", "activation"),
    ),
    task(
        "keras_mlp_diabetes",
        lambda: load("diabetes"),
        _mlp,
        log("learning_rate", 1e-5, 1.0),
        *_COMMON,
        choice("width", 8, 32),
        choice("layers", 1, 3),
        _OPTIMIZER,
        choice("batch_size", 16, 64),
        architecture=("width", "layers"),
        metrics=("val_loss",),
    ),
    task(
        "keras_cnn_digits",
        lambda: load("digits"),
        _cnn,
        log("learning_rate", 1e-4, 1.0),
        *_COMMON,
        linear("last_rate", 0.0, 1.0),
        choice("normalized", False, True),
        _OPTIMIZER,
        choice("batch_size", 64, 128),
        architecture=("normalized",),
    ),
    task(
        "keras_recurrent_digits",
        lambda: load("digits"),
        _recurrent,
        log("learning_rate", 1e-4, 1.0),
        *_COMMON,
        choice("cell", "gru", "rnn"),
        choice("width", 8, 24),
        _OPTIMIZER,
        choice("batch_size", 64, 256),
        architecture=("cell", "width"),
    ),
    task(
        "keras_attention_breast_cancer",
        lambda: load("breast_cancer", 0.1),
        _attention,
        log("learning_rate", 1e-4, 1.0),
        *_COMMON,
        linear("last_rate", 0.0, 1.0),
        choice("width", 4, 8),
        choice("optimizer", "sgd", "adam"),
        choice("batch_size", 32, 64),
        architecture=("width",),
        metrics=("val_loss",),
    ),
)
