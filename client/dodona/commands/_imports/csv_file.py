"""Import of trials from a CSV file."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from dodona import Study
from dodona._codec import encode
from dodona._space import all_parameters
from dodona._trials.record import measurement_of
from dodona.commands._values import read_values
from dodona_schemas.vertex import CreateTrialRequest, TrialState

PARAMETERS, METRICS, REASON, NUMBER = "parameters.", "metrics.", "infeasible_reason", "number"


def import_rows(study: Study, file: Path) -> tuple[int, int]:
    """Add the trial of each row of a file; return how many were added, and how many were there.

    Raises:
        ValueError: the file has no column of a parameter or of a metric, or a line has a wrong value.
        DodonaError: the server refused.
    """
    last = max((record.number for record in study.trials()), default=0)
    numbers: list[int] = []
    with file.open(newline="") as lines:
        reader = csv.DictReader(lines)
        heads = reader.fieldnames or ()
        parameters = _columns(heads, PARAMETERS, all_parameters(study.space))
        metrics = _columns(heads, METRICS, study.metrics)
        if not parameters or not metrics:
            wanted = "a parameter" if metrics else "a metric"
            raise ValueError(f"{file} has no column of {wanted}: its columns are {', '.join(heads) or 'none'}")
        for row in reader:
            try:
                body = _request(study, row, parameters, metrics)
            except ValueError as error:
                raise ValueError(f"{file}, line {reader.line_num}: {error}") from None
            numbers.append(study.create_trial(body).number)
    added = sum(number > last for number in numbers)
    return added, len(numbers) - added


def _columns(heads: Iterable[str], prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return the columns by the names of what they contain."""
    there = set(heads)
    columns = {name: next((one for one in (prefix + name, name) if one in there), None) for name in names}
    return {name: column for name, column in columns.items() if column is not None}


def _request(
    study: Study, row: Mapping[str, str | None], parameters: Mapping[str, str], metrics: Mapping[str, str]
) -> CreateTrialRequest:
    texts = {name: text for name, column in parameters.items() if (text := row[column])}
    body = CreateTrialRequest(parameters=encode(study.space, read_values(study, texts)))
    final = {name: _number(name, text) for name, column in metrics.items() if (text := row[column])}
    if final:
        body.state = TrialState.SUCCEEDED
        body.final_measurement = measurement_of(final, list(study.metrics))
    else:
        body.state = TrialState.INFEASIBLE
        body.infeasible_reason = row.get(REASON) or "it has no result in the imported file"
    # Two equal rows are two trials if they have numbers.
    identity = json.dumps([row.get(NUMBER), texts, final, body.infeasible_reason], sort_keys=True)
    body.request_id = hashlib.sha256(identity.encode()).hexdigest()
    return body


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}={text}: use a number") from None
