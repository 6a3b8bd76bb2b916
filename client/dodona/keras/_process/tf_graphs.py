"""TensorFlow's graphs of a trial, which it would keep until the process ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def graphs_released() -> Iterator[None]:
    """Releases, at the end of the block, the graphs that were traced in it and are not in use.

    For each custom gradient in a graph TensorFlow enters a function under a new name into a registry that nothing is
    ever removed from, and the function holds the graph: some megabytes a trial. What was traced goes on working; only a
    gradient of an old graph cannot be traced any more, and no training does that.
    """
    registry = _gradients()
    before = set(registry)
    try:
        yield
    finally:
        for name in registry.keys() - before:
            if name.startswith("CustomGradient-"):
                del registry[name]


def _gradients() -> MutableMapping[str, Any]:
    """TensorFlow's gradients by name; nothing if it is not in use."""
    ops = sys.modules.get("tensorflow.python.framework.ops")
    registry: MutableMapping[str, Any] = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    return registry
