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


def short_traceback(
    *errors: type[Exception],
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """A decorator of functions whose errors of these classes a person can mend: frames from inside are no help."""

    def decorated(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @functools.wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            try:
                return function(*args, **kwargs)
            except errors as error:
                raise error.with_traceback(None) from None

        return call

    return decorated


def short_tracebacks(*, but: str = "") -> Callable[[Class], Class]:
    """A decorator of classes: all public methods refuse wrong arguments and tell of the server in few lines.

    Args:
        but: a method that calls the user's own code, whose frames are a help.
    """

    def decorated(cls: Class) -> Class:
        for name, method in list(vars(cls).items()):
            public = name == "__init__" or not name.startswith("_")
            if public and name != but and inspect.isfunction(method) and not inspect.isgeneratorfunction(method):
                setattr(cls, name, short_traceback(DodonaError, ValueError)(method))
        return cls

    return decorated
