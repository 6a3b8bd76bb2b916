"""How the backends say that memory is used up."""

from __future__ import annotations

from dodona._text import words_of

# By name, as no backend but the one in use may be imported: Python's, PyTorch's, TensorFlow's.
_TYPES = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}
# Those of JAX and XLA have no type of their own, nor have PyTorch's on a CPU.
_WORDS = ("resource_exhausted", "out of memory", "can't allocate memory")


def out_of_memory(error: BaseException) -> str | None:
    """What said that memory is used up, in one line; None if that is not why the error was raised.

    Args:
        error: what was raised, perhaps because of another error.
    """
    while True:
        words = words_of(error).strip() or "no reason was given"
        named = _TYPES & {kind.__name__ for kind in type(error).__mro__}
        if named or any(word in words.lower() for word in _WORDS):
            return f"{type(error).__name__}: {words.splitlines()[0]}"
        if error.__cause__ is None:
            return None
        error = error.__cause__
