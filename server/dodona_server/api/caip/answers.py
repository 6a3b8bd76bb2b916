"""Answers with trials, studies and operations: short ones at once, others in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Response

from dodona_server.api.caip import render
from dodona_server.api.front.answer import Answer, written
from dodona_server.api.front.pieces import are_short, operation_in_pieces, trial_in_pieces
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Trial
from dodona_server.service.operations import StopCheck, SuggestResult


def trial(name: StudyName, value: Trial) -> Response:
    """Return the answer with a trial of the study `name`."""
    if are_short([value]):
        return Answer(render.trial(name, value))
    return written(lambda enums_as_numbers: trial_pieces(name, value, enums_as_numbers))


def operation(value: SuggestResult | StopCheck) -> Response:
    """Return the answer with an operation."""
    if isinstance(value, StopCheck):
        return Answer(render.stop_check(value))
    name = value.name.study
    return written(
        lambda enums_as_numbers: operation_in_pieces(
            render.suggestion(value),
            (trial_pieces(name, one, enums_as_numbers) for one in value.trials),
            enums_as_numbers,
        )
    )


def study(value: Study) -> Response:
    """Return the answer with a study."""
    return written(lambda enums_as_numbers: study_pieces(value, enums_as_numbers))


def trial_pieces(
    name: StudyName, value: Trial, enums_as_numbers: bool = False, *, listed: bool = False
) -> Iterator[bytes]:
    """Yield a trial of the study `name` in pieces, alone or as an entry of a list."""
    return trial_in_pieces(
        value, lambda one: render.trial(name, one, listed=listed), render.measurement, enums_as_numbers
    )


def study_pieces(value: Study, enums_as_numbers: bool = False) -> Iterator[bytes]:
    """Yield a study in pieces."""
    yield render.study(value).to_json(enums_as_numbers=enums_as_numbers)
