"""`dodona import csv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import dodona
from dodona_cli._dispatch import app

SPACE = {
    "x": dodona.Float(0, 1),
    "kind": dodona.Categorical(["a", "b"], children={"b": {"n": dodona.Int(1, 9)}}),
    "flip": dodona.Boolean(),
}


@pytest.fixture
def cli(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DODONA_URL", server_url)
    return lambda *arguments: CliRunner().invoke(app, ["import", "csv", *map(str, arguments)])


@pytest.fixture
def study(server_url: str) -> dodona.Study:
    return dodona.Client(server_url).create_study("target", SPACE, goal="minimize", metric="loss")


def test_an_export_is_imported_into_another_study(
    cli: Callable[..., Result], study: dodona.Study, server_url: str, tmp_path: Path
) -> None:
    source = dodona.Client(server_url).create_study("source", SPACE, goal="minimize", metric="loss")
    for value in (0.5, 0.5, None):
        trial = source.ask()
        trial.fail("out of memory") if value is None else trial.complete(value)
    file = source.export(tmp_path / "source.csv")
    assert cli(file, "--study", "target").stdout == "target: 3 trials added, 0 existed already\n"
    assert cli(file, "--study", "target").stdout == "target: 0 trials added, 3 existed already\n"
    for mine, theirs in zip(study.trials(), source.trials(), strict=True):
        assert (mine.state, mine.parameters, mine.metrics) == (theirs.state, theirs.parameters, theirs.metrics)
        assert mine.infeasible_reason == theirs.infeasible_reason


def test_plain_names_are_columns_too(cli: Callable[..., Result], study: dodona.Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("who,x,kind,n,flip,loss\nme,0.5,b,3,true,0.25\nme,0.25,a,,False,nan\n")
    refused = cli(file, "--study", "target")
    assert refused.exit_code == 1, refused.output
    assert [(one.parameters, one.metrics) for one in study.trials()] == [
        ({"x": 0.5, "kind": "b", "n": 3, "flip": True}, {"loss": 0.25})
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,kind\n1,a\n", "has no column of a metric: its columns are x, kind"),
        ("loss\n1\n", "has no column of a parameter: its columns are loss"),
        ("", "has no column of a metric: its columns are none"),
        ("x,kind,flip,loss\n0.5,a,true,1\n0.5,a,maybe,1\n", "line 3: flip=maybe: use true or false"),
        ("x,kind,flip,loss\n2,a,true,1\n", "line 2: parameter 'x': 2.0 is not a number from 0.0 to 1.0"),
        ("x,kind,flip,loss\n0.5,a,true,low\n", "line 2: loss=low: use a number"),
    ],
)
def test_what_is_wrong_is_named(
    cli: Callable[..., Result], study: dodona.Study, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    refused = cli(file, "--study", "target")
    assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr
