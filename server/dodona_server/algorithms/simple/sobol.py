"""Sobol's low-discrepancy sequence with Owen's scrambling, in plain integers.

Sobol, "On the distribution of points in a cube" (1967); Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences"
(1995). The scrambling is hash-based, as is the shuffling that pads the sequence to any number of dimensions: Burley,
"Practical Hash-based Owen Scrambling" (2020). It does not use NumPy, which the server process never imports.

Symbols: i, the index of a point; d, a dimension; x, a coordinate as 32 binary digits after the binary point.
"""

from __future__ import annotations

import functools
import hashlib

from dodona_server.algorithms.simple.sobol_directions import ROWS

BITS = 32
_MASK = (1 << BITS) - 1
_HALF_A_STEP = 0.5


@functools.cache
def _table() -> tuple[tuple[int, ...], ...]:
    """Return the direction numbers v of each dimension, as 32-bit fractions; v[0] is for the index's lowest bit."""
    first = tuple(1 << (BITS - 1 - bit) for bit in range(BITS))
    return (first, *(_directions(*map(int, row.split())) for row in ROWS.splitlines()))


def _directions(degree: int, coefficients: int, *initial: int) -> tuple[int, ...]:
    v = [m << (BITS - 1 - bit) for bit, m in enumerate(initial)]
    for bit in range(degree, BITS):
        new = v[bit - degree] ^ (v[bit - degree] >> degree)
        for inner in range(1, degree):
            if coefficients >> (degree - 1 - inner) & 1:
                new ^= v[bit - inner]
        v.append(new)
    return tuple(v)


class Sobol:
    """A scrambled sequence.

    Args:
        key: determines the scrambling; the same key gives the same sequence.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def coordinate(self, index: int, dimension: int) -> float:
        """Return coordinate `dimension` of point `index`, in (0, 1); both count from 0.

        Dimensions beyond the table reuse the first ones, with the points in another order and with another scrambling,
        so that they are independent.
        """
        table = _table()
        repeat, column = divmod(dimension, len(table))
        if repeat:
            index = _scrambled(index & _MASK, _seed(self._key, "order", repeat))
        x = 0
        for bit, direction in enumerate(table[column]):
            if index >> bit & 1:
                x ^= direction
        x = _scrambled(x, _seed(self._key, "digits", dimension))
        return (x + _HALF_A_STEP) / (_MASK + 1)


@functools.lru_cache(maxsize=4096)
def _seed(key: str, purpose: str, number: int) -> int:
    digest = hashlib.blake2b(f"{key}/{purpose}/{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _reversed(x: int) -> int:
    return int(f"{x:032b}"[::-1], 2)


def _scrambled(x: int, seed: int) -> int:
    """Apply Owen's scrambling: the digits before a digit and the seed decide whether it is flipped.

    In the reversed number a digit's carries reach only the digits after it. The constants are those of Vegdahl's hash,
    which Burley recommends.
    """
    x = _reversed(x)
    x ^= x * 0x3D20ADEA & _MASK
    x = x + seed & _MASK
    x = x * (seed >> 16 | 1) & _MASK
    x ^= x * 0x05526C56 & _MASK
    x ^= x * 0x53A22864 & _MASK
    return _reversed(x)
