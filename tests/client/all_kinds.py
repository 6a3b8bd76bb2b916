"""A space with parameters of all kinds."""

from __future__ import annotations

from dodona import Boolean, Categorical, Discrete, Float, Int

SPACE = {
    "lr": Float(1e-5, 1e-1, scale="log"),
    "layers": Int(1, 4, default=2),
    "optimizer": Categorical(["adam", "sgd"], children={"sgd": {"momentum": Float(0, 0.99)}}),
    "batch": Discrete([16, 32, 64]),
    "augment": Boolean(),
}
