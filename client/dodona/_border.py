"""Errors as the caller of a public method sees them: without the frames from inside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from dodona._errors import DodonaError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Class = TypeVar("Class", bound=type[Any])


def short_traceback(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, whose own errors that a person can mend come without the frames from inside."""

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (DodonaError, ValueError) as error:
            if _is_ours(error):
                raise error.with_traceback(None) from None
            raise

    return call


def _is_ours(error: Exception) -> bool:
    """Whether this package refuses something, and not what it calls: of that the frames are a help."""
    if isinstance(error, DodonaError):
        return True
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    raised_in = "" if traceback is None else str(traceback.tb_frame.f_globals.get("__name__"))
    return raised_in.partition(".")[0] == "dodona"


def short_tracebacks(*, but: str = "") -> Callable[[Class], Class]:
    """A decorator of classes: all public methods refuse wrong arguments and tell of the server in few lines.

    Args:
        but: a method that calls the user's own code, whose frames are a help.
    """

    def decorated(cls: Class) -> Class:
        for name, method in list(vars(cls).items()):
            public = name == "__init__" or not name.startswith("_")
            if public and name != but and inspect.isfunction(method) and not inspect.isgeneratorfunction(method):
                setattr(cls, name, short_traceback(method))
        return cls

    return decorated
