from __future__ import annotations

import inspect
import json
import pickle

import pytest

from dodona import _errors
from dodona._errors import ApiError, DodonaError, ServerUnreachable, error_from_answer


def answer(code: int, status: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "the words", "status": status, "details": []}}).encode()


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (400, "INVALID_ARGUMENT", _errors.InvalidArgument),
        (400, "FAILED_PRECONDITION", _errors.FailedPrecondition),
        (401, "UNAUTHENTICATED", _errors.Unauthenticated),
        (403, "PERMISSION_DENIED", _errors.PermissionDenied),
        (404, "NOT_FOUND", _errors.NotFound),
        (409, "ALREADY_EXISTS", _errors.AlreadyExists),
        (409, "ABORTED", _errors.Aborted),
        (409, "SOMETHING_NEW", _errors.Aborted),
        (429, "RESOURCE_EXHAUSTED", _errors.ResourceExhausted),
        (500, "INTERNAL", _errors.ServerError),
        (501, "UNIMPLEMENTED", _errors.ServerError),
        (418, "SOMETHING_NEW", ApiError),
    ],
)
def test_the_class_follows_the_status_and_then_the_code(code: int, status: str, expected: type[ApiError]) -> None:
    error = error_from_answer(code, answer(code, status))
    assert type(error) is expected
    assert (error.code, error.status, str(error)) == (code, status, "the words")


@pytest.mark.parametrize(
    ("code", "content", "expected"),
    [
        (404, b"<html>404 Not Found</html>", _errors.NotFound),
        (502, b"", _errors.ServerError),
        (401, b'{"detail": "no"}', _errors.Unauthenticated),
        (409, b"[1, 2]", _errors.Aborted),
        (500, b"\xff\xfe", _errors.ServerError),
        (307, b"", ApiError),
    ],
)
def test_an_answer_of_something_else_is_told_apart(code: int, content: bytes, expected: type[ApiError]) -> None:
    error = error_from_answer(code, content)
    assert type(error) is expected
    assert f"HTTP {code}, not from Dodona" in str(error)
    assert error.status == "UNKNOWN"


def classes() -> list[type[Exception]]:
    found = inspect.getmembers(_errors, inspect.isclass)
    return [cls for _, cls in found if issubclass(cls, Exception) and cls.__module__ == _errors.__name__]


def test_one_root_and_every_class_is_drawn() -> None:
    drawing = _errors.__doc__ or ""
    for cls in classes():
        assert issubclass(cls, DodonaError)
        assert f"{cls.__name__} " in drawing or f"{cls.__name__}\n" in drawing
        assert cls.__doc__


@pytest.mark.parametrize(
    "error",
    [
        _errors.NotFound(404, "NOT_FOUND", "words"),
        ServerUnreachable("http://oracle:8080", 30.0, ConnectionError("refused")),
        _errors.StudyCompleted("mnist"),
        _errors.NothingReported(7),
    ],
)
def test_errors_pass_between_processes(error: DodonaError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
