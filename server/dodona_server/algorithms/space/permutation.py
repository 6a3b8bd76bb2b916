"""A pseudo-random permutation of 0 .. n - 1 that is never stored, for any n.

A Feistel network permutes the numbers of 2 h bits, the smallest such range that holds n; walking along its cycle
until a number below n turns up restricts it to these (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
2002). The range is below 4 n, so this takes at most four steps on average.
"""

from __future__ import annotations

import hashlib

_ROUNDS = 4


class Permutation:
    """A permutation of 0 .. size - 1.

    Args:
        size: the number of numbers, at least 1.
        key: determines the permutation.
    """

    def __init__(self, size: int, key: str) -> None:
        self._size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        self._bytes = (self._half + 7) // 8
        self._keyed = hashlib.shake_128(key.encode())

    def __getitem__(self, index: int) -> int:
        """Return the image of `index`."""
        if not 0 <= index < self._size:
            raise IndexError(index)
        found = self._encrypt(index)
        while found >= self._size:
            found = self._encrypt(found)
        return found

    def _encrypt(self, number: int) -> int:
        mask = (1 << self._half) - 1
        left, right = number >> self._half, number & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (self._mixed(turn, right) & mask)
        return left << self._half | right

    def _mixed(self, turn: int, half: int) -> int:
        mixer = self._keyed.copy()
        mixer.update(bytes([turn]) + half.to_bytes(self._bytes, "big"))
        return int.from_bytes(mixer.digest(self._bytes), "big")
