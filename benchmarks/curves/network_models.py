"""Models of the networks, each as a function that returns its first parameters and one that returns its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from curves.networks import Key, Parameters, Values

WIDTH = 64
LAYERS = 3
ACTIVATIONS: tuple[Callable[[Any], Any], ...] = (jax.nn.relu, jnp.tanh, jax.nn.sigmoid, jax.nn.gelu)


def entropy(outputs: Any, targets: Any) -> Any:
    losses = -jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[..., None], -1)[..., 0]
    return losses.reshape(len(losses), -1).mean(-1)


def square(outputs: Any, targets: Any) -> Any:
    return ((outputs.reshape(targets.shape) - targets) ** 2).reshape(len(targets), -1).mean(-1)


def _matrix(key: Key, rows: int, columns: int, inputs: Any = None) -> Any:
    return jax.random.normal(key, (rows, columns)) / jnp.sqrt(rows if inputs is None else inputs)


def _dropped(x: Any, values: Values, key: Key | None, number: int) -> Any:
    if key is None or "dropout" not in values:
        return x
    kept = 1 - values["dropout"]
    return x * jax.random.bernoulli(jax.random.fold_in(key, number), kept, x.shape) / kept


def _activated(x: Any, values: Values) -> Any:
    kind = values.get("activation", 0.0)
    return jnp.select([kind == index for index in range(len(ACTIVATIONS))], [one(x) for one in ACTIVATIONS])


def mlp(inputs: int, outputs: int, *, is_linear: bool = False) -> tuple[Any, Any]:
    def start(key: Key, values: Values) -> Parameters:
        scale, width = values.get("init_scale", 1.0), values.get("width", float(WIDTH))
        sizes = [inputs, *[WIDTH] * LAYERS]
        keys = jax.random.split(key, LAYERS + 1)
        hidden = [
            {"w": scale * 2**0.5 * _matrix(keys[i], sizes[i], WIDTH, None if i == 0 else width), "b": jnp.zeros(WIDTH)}
            for i in range(LAYERS)
        ]
        return {"hidden": hidden, "w": scale * _matrix(keys[-1], WIDTH, outputs, width), "b": jnp.zeros(outputs)}

    def output(parameters: Parameters, values: Values, x: Any, key: Key | None) -> Any:
        mask = jnp.arange(WIDTH) < values.get("width", float(WIDTH))
        x = x.reshape(len(x), -1)
        for number, layer in enumerate(parameters["hidden"]):
            y = x @ layer["w"] + layer["b"]
            y = _dropped(y if is_linear else _activated(y, values), values, key, number) * mask
            x = y if number == 0 else jnp.where(values.get("layers", float(LAYERS)) > number, y, x)
        return x @ parameters["w"] + parameters["b"]

    return start, output


def cnn(channels: int, outputs: int) -> tuple[Any, Any]:
    filters = 16

    def start(key: Key, values: Values) -> Parameters:
        scale, keys = values.get("init_scale", 1.0), jax.random.split(key, 3)
        return {
            "a": scale * 2**0.5 * _matrix(keys[0], 9 * channels, filters),
            "b": scale * 2**0.5 * _matrix(keys[1], 9 * filters, filters),
            "c": scale * _matrix(keys[2], 16 * filters, outputs),
            "biases": [jnp.zeros(filters), jnp.zeros(filters), jnp.zeros(outputs)],
        }

    def around(x: Any) -> Any:
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        height, width = x.shape[1:3]
        return jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], -1)

    def normal(x: Any, values: Values) -> Any:
        scaled = (x - x.mean((1, 2, 3), keepdims=True)) / (x.std((1, 2, 3), keepdims=True) + 1e-3)
        return jnp.where(values["normalized"] > 0, scaled, x)

    def output(parameters: Parameters, values: Values, x: Any, key: Key | None) -> Any:
        first, second, last = parameters["biases"]
        x = _activated(normal(around(x) @ parameters["a"] + first, values), values)
        x = x.reshape(len(x), 4, 2, 4, 2, filters).mean((2, 4))
        x = _activated(normal(around(x) @ parameters["b"] + second, values), values)
        return _dropped(x.reshape(len(x), -1), values, key, 0) @ parameters["c"] + last

    return start, output


def recurrent(
    inputs: int, outputs: int, *, letters: bool = False, every: bool = False, gated: bool = True
) -> tuple[Any, Any]:
    width, gates = 32, 3 if gated else 1

    def start(key: Key, values: Values) -> Parameters:
        scale, keys = values.get("init_scale", 1.0), jax.random.split(key, 3)
        return {
            "x": scale * _matrix(keys[0], inputs, gates * width),
            "h": scale * _matrix(keys[1], width, gates * width),
            "b": jnp.zeros(gates * width),
            "o": scale * _matrix(keys[2], width, outputs),
        }

    def output(parameters: Parameters, values: Values, x: Any, key: Key | None) -> Any:
        into = (parameters["x"][x] if letters else x @ parameters["x"]) + parameters["b"]
        mask = jnp.arange(width) < values.get("width", float(width))

        def step(h: Any, x: Any) -> tuple[Any, Any]:
            again = h @ parameters["h"]
            if gated:
                reset, update = (
                    jax.nn.sigmoid(x[:, i * width : (i + 1) * width] + again[:, i * width : (i + 1) * width])
                    for i in range(2)
                )
                new = jnp.tanh(x[:, 2 * width :] + reset * again[:, 2 * width :])
                h = (update * h + (1 - update) * new) * mask
            else:
                h = jnp.tanh(x + again) * mask
            return h, h

        last, all_states = jax.lax.scan(step, jnp.zeros((len(x), width)), into.swapaxes(0, 1))
        states = all_states.swapaxes(0, 1) if every else last
        return _dropped(states, values, key, 0) @ parameters["o"]

    return start, output


def transformer(letters: int, length: int, outputs: int, *, causal: bool, every: bool) -> tuple[Any, Any]:
    width, heads, layers = 32, 4, 2

    def start(key: Key, values: Values) -> Parameters:
        scale, keys = values.get("init_scale", 1.0), iter(jax.random.split(key, 3 + 4 * layers))
        return {
            "letters": scale * _matrix(next(keys), letters, width) * letters**0.5 * 0.3,
            "places": scale * _matrix(next(keys), length, width) * length**0.5 * 0.3,
            "o": scale * _matrix(next(keys), width, outputs),
            "layers": [
                {
                    "qkv": scale * _matrix(next(keys), width, 3 * width),
                    "mix": scale * _matrix(next(keys), width, width),
                    "up": scale * 2**0.5 * _matrix(next(keys), width, 2 * width),
                    "down": scale * _matrix(next(keys), 2 * width, width),
                }
                for _ in range(layers)
            ],
        }

    def normal(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)

    def output(parameters: Parameters, values: Values, x: Any, key: Key | None) -> Any:
        x = parameters["letters"][x] + parameters["places"]
        for number, layer in enumerate(parameters["layers"]):
            parts = (normal(x) @ layer["qkv"]).reshape(*x.shape[:2], 3, heads, width // heads)
            q, k, v = (parts[:, :, i] for i in range(3))
            scores = jnp.einsum("blhd,bmhd->bhlm", q, k) * (width / heads) ** -0.5
            if causal:
                scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -1e9)
            mixed = jnp.einsum("bhlm,bmhd->blhd", jax.nn.softmax(scores), v).reshape(x.shape)
            x = x + _dropped(mixed @ layer["mix"], values, key, 2 * number)
            x = x + _dropped(jax.nn.gelu(normal(x) @ layer["up"]) @ layer["down"], values, key, 2 * number + 1)
        return normal(x if every else x.mean(1)) @ parameters["o"]

    return start, output


def factors(users: int, items: int) -> tuple[Any, Any]:
    rank = 8

    def start(key: Key, values: Values) -> Parameters:
        keys = jax.random.split(key)
        scale = 0.3 * values.get("init_scale", 1.0)
        return {
            "u": scale * jax.random.normal(keys[0], (users, rank)),
            "i": scale * jax.random.normal(keys[1], (items, rank)),
        }

    def output(parameters: Parameters, values: Values, x: Any, key: Key | None) -> Any:
        return (_dropped(parameters["u"][x[:, 0]], values, key, 0) * parameters["i"][x[:, 1]]).sum(-1)

    return start, output
