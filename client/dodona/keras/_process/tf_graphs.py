"""TensorFlow's graphs of a trial, which it would otherwise keep until the process ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def graphs_released() -> Iterator[None]:
    """Release, at the end of the block, the graphs that were traced in it and are not in use.

    For each custom gradient in a graph, TensorFlow registers a function under a new name, and never removes it. The
    function refers to the graph: some megabytes a trial. Traced functions still work without it. Only a gradient of an
    old graph can no longer be traced, and no training needs one.
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
