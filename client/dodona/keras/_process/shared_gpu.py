"""A GPU that this worker shares with others, as `dodona run` arranges it."""

from __future__ import annotations

import os
import sys

# `dodona run` sets them: whether a trial that lacks memory is released, and the part of the memory to use.
_SHARED = "DODONA_GPU_SHARED"
_PART = "DODONA_GPU_PART"
# By this exit code `dodona run` knows that the worker needs more room.
_EXIT_CODE = 75


class OutOfMemoryBesideOthers(SystemExit):
    """The trial lacks memory while others use the GPU too: this process ends, which frees its memory.

    Args:
        reason: the backend's error.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_EXIT_CODE)
        self.reason = reason


def is_shared() -> bool:
    """Return whether other workers use this worker's GPU, or will."""
    return bool(os.environ.get(_SHARED))


def limit_memory() -> None:
    """Keep PyTorch to this worker's part of the GPU's memory; the other backends read variables of their own."""
    part, torch = os.environ.get(_PART), sys.modules.get("torch")
    if part and torch is not None and torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            torch.cuda.set_per_process_memory_fraction(float(part), device)
