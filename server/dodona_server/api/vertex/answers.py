"""Answers with trials, studies and operations: short ones at once, others in pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from starlette.responses import Response

from dodona_schemas.base import WireModel
from dodona_server.api.front.answer import Answer, array, with_fields, written
from dodona_server.api.front.pieces import are_short, is_long, metadata_in_pieces, operation_in_pieces, trial_in_pieces
from dodona_server.api.vertex import render
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.operations import SuggestResult


def trial(name: StudyName, value: Trial) -> Response:
    """Return the answer with a trial of the study `name`."""
    if are_short([value]):
        return Answer(render.trial(name, value))
    return written(lambda enums_as_numbers: trial_pieces(name, value, enums_as_numbers))


def suggestion(value: SuggestResult) -> Response:
    """Return the answer to a call to suggest."""
    if are_short(value.trials):
        return Answer(render.suggestion(value))
    return written(lambda enums_as_numbers: suggestion_pieces(value, enums_as_numbers))


def study(value: Study) -> Response:
    """Return the answer with a study."""
    return written(lambda enums_as_numbers: study_pieces(value, enums_as_numbers))


def listing(message: WireModel, field: str, entries: Callable[[bool], Iterable[Iterable[bytes]]]) -> Response:
    """Return a message with a list in one of its fields; the argument of `entries` says whether enums are numbers."""
    return written(
        lambda enums_as_numbers: with_fields(message, {field: array(entries(enums_as_numbers))}, enums_as_numbers)
    )


def trial_pieces(name: StudyName, value: Trial, enums_as_numbers: bool = False) -> Iterator[bytes]:
    """Yield a trial of the study `name` in pieces."""
    return trial_in_pieces(value, lambda one: render.trial(name, one), render.measurement, enums_as_numbers)


def suggestion_pieces(
    value: SuggestResult, enums_as_numbers: bool = False, *, for_google: bool = False
) -> Iterator[bytes]:
    """Yield the answer to a call to suggest in pieces.

    Args:
        value: the content of the answer.
        enums_as_numbers: whether enums are written as numbers.
        for_google: whether to omit fields that Vertex's protocol does not have. Google's SDK ignores unknown
            fields, but not in answers about operations.
    """

    def one(handed: Trial) -> Iterator[bytes]:
        if for_google:
            written = render.trial(value.name.study, handed).model_copy(update=render.NO_OWN_FIELDS)
            return iter((written.to_json(enums_as_numbers=enums_as_numbers),))
        return trial_pieces(value.name.study, handed, enums_as_numbers)

    return operation_in_pieces(render.suggestion(value, with_trials=False), map(one, value.trials), enums_as_numbers)


def study_pieces(value: Study, enums_as_numbers: bool = False) -> Iterator[bytes]:
    """Yield a study in pieces."""
    if not is_long(value.metadata):
        return with_fields(render.study(value), {}, enums_as_numbers)
    rest = render.study(dataclasses.replace(value, metadata={}))
    return with_fields(rest, {"metadata": metadata_in_pieces(value.metadata)}, enums_as_numbers)
