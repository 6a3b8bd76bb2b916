"""Data of the networks: what ships with scikit-learn, and what is made here, some of it hard on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

from curves.data import Data

LETTERS = 40


def _split(x: Any, y: Any, train: int, valid: int = 400) -> Data:
    """Return standardized parts of examples in random order."""
    order = np.random.default_rng(0).permutation(len(x))[: train + valid]
    x, y = np.asarray(x, np.float32)[order], np.asarray(y)[order]
    x = (x - x[:train].mean(0)) / (x[:train].std(0) + 1e-6)
    if y.dtype.kind == "f":
        y = ((y - y[:train].mean(0)) / (y[:train].std(0) + 1e-6)).astype(np.float32)
    return Data(x[:train], y[:train], x[train:], y[train:])


def fewer(data: Data, train: int, valid: int = 10_000) -> Data:
    return Data(data.x[:train], data.y[:train], data.x_valid[:valid], data.y_valid[:valid])


def made(kind: str, train: int, **given: Any) -> Data:
    made = getattr(datasets, f"make_{kind}")(n_samples=train + 400, random_state=0, **given)
    return _split(made[0], made[1], train)


def spirals() -> Data:
    rng = np.random.default_rng(0)
    turn, arm = 2.5 * 2 * np.pi * np.sqrt(rng.random(1400)), rng.integers(0, 2, 1400)
    angle = turn + np.pi * arm
    return _split(
        np.column_stack([turn * np.cos(angle), turn * np.sin(angle)]) + rng.normal(0, 0.3, (1400, 2)), arm, 1000
    )


def parity() -> Data:
    bits = np.random.default_rng(0).integers(0, 2, (2400, 12))
    return _split(bits, bits[:, :5].sum(1) % 2, 2000)


def checkers() -> Data:
    x = np.random.default_rng(0).uniform(0, 4, (1900, 2))
    return _split(x, np.floor(x).sum(1).astype(int) % 2, 1500)


def taught() -> Data:
    """Return inputs with the outputs of a random network, and noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1400, 12))
    y = np.tanh(2 * x @ rng.normal(size=(12, 16)) / 12**0.5) @ rng.normal(size=16) + rng.normal(0, 0.3, 1400)
    return _split(x, y, 1000)


def _photograph(number: int) -> Any:
    return np.asarray(datasets.load_sample_images().images[number], np.float32) / 255


def pixels() -> Data:
    """Return the coordinates and the brightness of pixels; networks learn coarse structure first."""
    image = _photograph(0).mean(-1)[::4, ::4]
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in image.shape), indexing="ij"), -1).reshape(
        -1, 2
    )
    waves = [wave(np.pi * scale * places) for scale in (1, 2, 4) for wave in (np.sin, np.cos)]
    return _split(np.concatenate([places, *waves], 1), image.reshape(-1), 6000, 1000)


def _patches(size: int, count: int) -> tuple[Any, Any]:
    """Return patches of both photographs, and which one each is from."""
    rng = np.random.default_rng(0)
    found, of = [], rng.integers(0, 2, count)
    images = [_photograph(0), _photograph(1)]
    for number in of:
        image = images[number]
        row, column = (rng.integers(0, side - size) for side in image.shape[:2])
        patch = image[row : row + size, column : column + size]
        found.append(patch - patch.mean((0, 1)))
    return np.array(found, np.float32), of


def which_photograph() -> Data:
    return _split(*_patches(8, 1900), 1500)


def noisy_patches() -> Data:
    patches, _ = _patches(8, 2400)
    clean = patches.mean(-1).reshape(len(patches), -1)
    clean = clean / clean.std()
    return _split(clean + np.random.default_rng(1).normal(0, 0.7, clean.shape), clean, 2000)


def itself(data: Data) -> Data:
    return Data(data.x, data.x, data.x_valid, data.x_valid)


def rows(data: Data) -> Data:
    return Data(data.x.reshape(-1, 8, 8), data.y, data.x_valid.reshape(-1, 8, 8), data.y_valid)


def images(data: Data) -> Data:
    return Data(data.x.reshape(-1, 8, 8, 1), data.y, data.x_valid.reshape(-1, 8, 8, 1), data.y_valid)


def sums() -> Data:
    """Return sequences with two marked numbers to add: nothing is learned until the marks are understood."""
    rng = np.random.default_rng(0)
    x = np.zeros((2400, 16, 2), np.float32)
    x[..., 0] = rng.random((2400, 16))
    for row in x:
        row[rng.choice(16, 2, replace=False), 1] = 1
    y = ((x[..., 0] * x[..., 1]).sum(1) - 1).astype(np.float32)
    return Data(x[:2000], y[:2000], x[2000:], y[2000:])


def chaos() -> Data:
    """Return windows of a Mackey-Glass series, and what comes 6 steps later."""
    series = [1.2] * 18
    for _ in range(3000):
        series.append(series[-1] + 0.2 * series[-18] / (1 + series[-18] ** 10) - 0.1 * series[-1])
    values = (np.array(series[300:], np.float32) - 0.9) * 4
    windows = np.lib.stride_tricks.sliding_window_view(values, 22)
    x, y = windows[:, :16, None].copy(), windows[:, -1].copy()
    return Data(x[:1500], y[:1500], x[1800:2300], y[1800:2300])


def text(length: int) -> Data:
    """Return pieces of scikit-learn's descriptions of data sets, as numbers of letters, and the letters that follow."""
    folder = Path(datasets.__file__).parent / "descr"
    text = " ".join(
        (folder / f"{name}.rst").read_text().lower() for name in ("breast_cancer", "digits", "wine_data", "diabetes")
    )
    letters = sorted(set(text), key=text.count, reverse=True)[: LETTERS - 1]
    codes = np.array([letters.index(one) if one in letters else LETTERS - 1 for one in " ".join(text.split())])
    windows = np.lib.stride_tricks.sliding_window_view(codes, length + 1)
    train, valid = windows[: len(windows) * 3 // 4 : 2], windows[len(windows) * 3 // 4 + length :: 12]
    return Data(train[:, :-1], train[:, 1:], valid[:, :-1], valid[:, 1:])


def modular(prime: int) -> Data:
    """Return pairs of numbers and their sums modulo a prime: networks learn the examples first, the rule later."""
    pairs = np.stack(np.meshgrid(np.arange(prime), np.arange(prime), indexing="ij"), -1).reshape(-1, 2)
    order = np.random.default_rng(0).permutation(len(pairs))
    pairs = pairs[order]
    y, train = pairs.sum(1) % prime, len(pairs) * 7 // 10
    return Data(pairs[:train], y[:train], pairs[train:], y[train:])


def reversals() -> Data:
    x = np.random.default_rng(0).integers(0, 8, (2400, 10))
    return Data(x[:2000], x[:2000, ::-1].copy(), x[2000:], x[2000:, ::-1].copy())


def ratings() -> Data:
    """Return pairs of a user and an item with a rating of low rank, and noise."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(80, 3)), rng.normal(size=(60, 3))
    pairs = np.stack(np.meshgrid(np.arange(80), np.arange(60), indexing="ij"), -1).reshape(-1, 2)
    pairs = pairs[rng.permutation(len(pairs))]
    y = ((users[pairs[:, 0]] * items[pairs[:, 1]]).sum(1) + rng.normal(0, 0.5, len(pairs))).astype(np.float32)
    return Data(pairs[:1500], y[:1500], pairs[1500:2500], y[1500:2500])
