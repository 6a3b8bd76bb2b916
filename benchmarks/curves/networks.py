"""Train all configurations of a task at once: one program of JAX for all of them, on a GPU in seconds.

Whatever differs between configurations is a number that the program gets: a narrower network is a wide one with a
mask, fewer layers are layers that pass their input on, a smaller batch has examples of weight 0, and the optimizer is
selected in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from curves.data import Data
from curves.trainings import EPOCHS, Dimension

OPTIMIZERS = ("sgd", "adam", "rmsprop", "adagrad")
BATCH = 64
_SGD, _ADAM, _RMSPROP, _ADAGRAD = range(4)

# The values of a configuration's hyperparameters: numbers, and indices of categorical ones.
Values = Mapping[str, Any]
Key = Any
Parameters = Any


@dataclass(frozen=True)
class NetworkTask:
    """A model on a data set.

    Args:
        name: `jax_MODEL_DATA`.
        data: returns the examples.
        space: the hyperparameters; `learning_rate` is one of them.
        start: returns the parameters of the model before its training.
        output: returns the outputs of the model for inputs; the key is for dropout, None after training.
        losses: of outputs and targets, one for each example.
        metrics: the goal of each validation metric, min or max.
        steps: updates in an epoch.
    """

    name: str
    data: Callable[[], Data]
    space: tuple[Dimension, ...]
    start: Callable[[Key, Values], Parameters]
    output: Callable[[Parameters, Values, Any, Key | None], Any]
    losses: Callable[[Any, Any], Any]
    metrics: Mapping[str, str]
    steps: int = 20


def curves_of(task: NetworkTask, values: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return each metric after each epoch (configurations x epochs); NaN once a training has diverged.

    Args:
        task: what to train.
        values: of each hyperparameter, one for each configuration.
    """
    data = jax.tree.map(jnp.asarray, task.data())
    count = len(values["learning_rate"])
    program = jax.jit(jax.vmap(lambda key, one: _training(task, data, key, one)))
    given = {name: jnp.asarray(column, jnp.float32) for name, column in values.items()}
    found = {
        name: np.array(curve) for name, curve in program(jax.random.split(jax.random.key(0), count), given).items()
    }
    for curve in found.values():
        curve[np.cumsum(~np.isfinite(curve), axis=1) > 0] = np.nan
    return found


def _training(task: NetworkTask, data: Data, key: Key, values: Values) -> dict[str, Any]:
    examples, total = len(data.x), EPOCHS * task.steps
    size = values.get("batch_size", BATCH)
    weights = jnp.where(jnp.arange(BATCH) < size, 1.0 / size, 0.0)

    def loss(parameters: Parameters, rows: Any, dropout: Key) -> Any:
        return weights @ task.losses(task.output(parameters, values, data.x[rows], dropout), data.y[rows])

    def update(state: Any, step: Any) -> tuple[Any, None]:
        parameters, first, second = state
        batch, dropout = jax.random.split(jax.random.fold_in(key, step))
        gradient = jax.grad(loss)(parameters, jax.random.randint(batch, (BATCH,), 0, examples), dropout)
        return _moved(parameters, gradient, first, second, values, step / total), None

    def epoch(state: Any, number: Any) -> tuple[Any, dict[str, Any]]:
        state, _ = jax.lax.scan(update, state, number * task.steps + jnp.arange(task.steps))
        outputs = task.output(state[0], values, data.x_valid, None)
        scores = {"val_loss": task.losses(outputs, data.y_valid).mean()}
        if "val_accuracy" in task.metrics:
            right = (outputs.argmax(-1) == data.y_valid).mean()
            scores["val_accuracy"] = jnp.where(jnp.isfinite(scores["val_loss"]), right, jnp.nan)
        return state, {name: scores[name] for name in task.metrics}

    parameters = task.start(jax.random.fold_in(key, total), values)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return jax.lax.scan(epoch, (parameters, zeros, zeros), jnp.arange(EPOCHS))[1]


def _moved(parameters: Any, gradient: Any, first: Any, second: Any, values: Values, progress: Any) -> Any:
    """Return the parameters and both moments after an update, by the configuration's optimizer and schedule."""
    kind = values.get("optimizer", float(_ADAM))
    momentum = values.get("momentum", 0.9)
    last, warm = values.get("last_rate", 1.0), values.get("warm_up", 0.0)
    rate = values["learning_rate"] * (last + (1 - last) * 0.5 * (1 + jnp.cos(jnp.pi * progress)))
    rate = rate * jnp.clip((progress + 1e-3) / (warm + 1e-3), 0.0, 1.0)
    decay = values.get("weight_decay", 0.0)

    def one(p: Any, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
        m = jnp.where(kind == _SGD, momentum * m + g, momentum * m + (1 - momentum) * g)
        v = jnp.where(
            kind == _ADAGRAD,
            v + g**2,
            jnp.where(kind == _ADAM, 0.99, 0.9) * v + jnp.where(kind == _ADAM, 0.01, 0.1) * g**2,
        )
        scaled = 1.0 / (jnp.sqrt(v) + 1e-7)
        move = jnp.where(kind == _SGD, g + momentum * m, jnp.where(kind == _ADAM, m, g) * scaled)
        return p - rate * (move + decay * p), m, v

    moved = jax.tree.map(one, parameters, gradient, first, second)
    return tuple(
        jax.tree.map(lambda part, index=index: part[index], moved, is_leaf=lambda x: isinstance(x, tuple))
        for index in range(3)
    )
