"""Errors of the backends for used-up memory."""

from __future__ import annotations

from dodona._text import words_of

# By name, since only the backend in use may be imported: Python's, PyTorch's, TensorFlow's.
_TYPES = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}
# JAX and XLA have no type for it, nor has PyTorch on a CPU.
_WORDS = ("resource_exhausted", "out of memory", "can't allocate memory")


def out_of_memory(error: BaseException) -> str | None:
    """Return the error that memory is used up, in one line; None if the reason is another one.

    Args:
        error: the exception, perhaps caused by another one.
    """
    while True:
        words = words_of(error).strip() or "no reason was given"
        named = _TYPES & {kind.__name__ for kind in type(error).__mro__}
        if named or any(word in words.lower() for word in _WORDS):
            return f"{type(error).__name__}: {words.splitlines()[0]}"
        if error.__cause__ is None:
            return None
        error = error.__cause__
