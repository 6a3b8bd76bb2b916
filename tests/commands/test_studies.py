"""`dodona studies`, `trials` and `export` against a real server, in this process."""

from __future__ import annotations

import ast
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import dodona
from dodona.commands._watch import chart
from dodona_cli._dispatch import app
from tests.support.patience import patience

SPACE = {
    "rate": dodona.Float(1e-5, 1e-1, scale="log"),
    "units": dodona.Int(8, 256),
    "kind": dodona.Categorical(["adam", "sgd"], children={"sgd": {"momentum": dodona.Float(0, 1)}}),
    "flip": dodona.Boolean(),
    "size": dodona.Discrete([16, 32.5]),
}


@pytest.fixture
def cli(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DODONA_URL", server_url)
    runner = CliRunner()
    return lambda *arguments, **more: runner.invoke(app, [str(one) for one in arguments], **more)


@pytest.fixture
def study(server_url: str) -> dodona.Study:
    """A study with a good trial, a bad one and a failed one."""
    client = dodona.Client(server_url, worker="w")
    study = client.create_study("digits", SPACE, goal="maximize", metric="acc", max_trials=9)
    for value in (0.9, 0.5):
        with study.ask() as trial:
            trial.report(value / 2, step=1)
            trial.complete(value)
    study.ask().fail("out of memory")
    return study


@pytest.fixture
def running(study: dodona.Study) -> dodona.Trial:
    """Its fourth trial."""
    trial = study.ask()
    trial.report(0.25, step=3)
    return trial


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_a_report_is_written_or_printed(
    cli: Callable[..., Result], study: dodona.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lines(cli("report", "digits")) == [["digits: digits-report.html"]]
    page = (tmp_path / "digits-report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Trial 1 has the best acc: 0.9" in page
    printed = cli("report", "digits", "--format", "md", "-o", "-").stdout
    assert "| 1 | 3 | out of memory |" in printed
    cli("report", "digits", "-o", "named.md")
    assert (tmp_path / "named.md").read_text().splitlines()[0] == "# digits"
    assert cli("report", "none").exit_code == 1
    assert cli("report", "digits", "--format", "pdf").exit_code == 2


def test_hints_are_set_shown_and_removed(cli: Callable[..., Result], study: dodona.Study) -> None:
    given = ["rate=3e-4:very", "units=64,128", "flip=true:vaguely", "momentum=0.9"]
    assert lines(cli("studies", "hint", "digits", *given)) == [
        ["rate: near 0.0003 (very)"],
        ["units: near 64 or 128 (fairly)"],
        ["flip: near True (vaguely)"],
        ["momentum: near 0.9 (fairly)"],
    ]
    study.refresh()
    assert study.space["rate"].prior == dodona.near(3e-4, sure="very")
    assert study.space["flip"].prior == dodona.near(True, sure="vaguely")
    assert len(lines(cli("studies", "hint", "digits", "--remove", "flip", "--remove", "momentum"))) == 2
    assert "best near 64 or 128 (fairly)" in cli("studies", "show", "digits").stdout
    for wrong, reason in (("rate", "is not a NAME=VALUE"), ("rate=7", "7"), ("depth=1", "'depth' is not a parameter")):
        refused = cli("studies", "hint", "digits", wrong)
        assert refused.exit_code != 0
        assert reason in refused.stderr


def test_a_trial_is_explained(cli: Callable[..., Result], study: dodona.Study) -> None:
    why = study.explain(2)
    assert str(why) == why.summary
    assert why.best_trial == 1
    assert {one.parameter for one in why.differences} <= set(study.trial(2).parameters)
    flips = [one.value for one in why.differences if one.parameter == "flip"]
    assert flips in ([], [True], [False])
    told = lines(cli("trials", "explain", "digits", "2"))
    assert told[0] == [why.summary]
    assert told[2] == ["parameter", "value", "trial 1", "promise kept"]
    assert [row[0] for row in told[3:]] == [one.parameter for one in why.differences]
    assert json.loads(cli("trials", "explain", "digits", "2", "--json").stdout)["best_trial"] == 1
    assert cli("trials", "explain", "digits", "99").exit_code == 1


def test_the_client_returns_a_report(study: dodona.Study, tmp_path: Path) -> None:
    study.report(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    text = study.report(tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text() == text
    values = re.search(r"parameters = (\{.*?\n\})", text, re.DOTALL)
    assert values is not None
    assert ast.literal_eval(values[1]) == study.trial(1).parameters
    with pytest.raises(ValueError, match="'pdf' is not a format of a report; use html, md"):
        study.report(format="pdf")  # type: ignore[arg-type]


def test_studies_are_listed_the_latest_first(cli: Callable[..., Result], study: dodona.Study) -> None:
    dodona.Client().create_study("two goals", SPACE, metrics={"a": "minimize", "b": "maximize"})
    head, latest, first = lines(cli("studies", "list"))
    assert head == ["study", "name", "state", "objective", "best", "created", "tags"]
    assert latest[1:5] == ["two goals", "ACTIVE", "min a, max b", ""]
    assert first[:5] == ["digits", "", "ACTIVE", "max acc", "0.9"]
    assert re.fullmatch(r"\d+ s", first[5])
    listed = json.loads(cli("studies", "list", "--json").stdout)
    assert [one["displayName"] for one in listed] == ["two goals", "digits"]


def test_a_study_is_shown_and_created_again_from_its_json(
    cli: Callable[..., Result], study: dodona.Study, tmp_path: Path
) -> None:
    shown = cli("studies", "show", "digits").stdout
    assert f"page         {study.url}\n" in shown
    assert "most trials  9\n" in shown
    assert "best         trial 1 SUCCEEDED with acc=0.9" in shown
    assert "rate\tfloat from 1e-05 to 0.1, log scale\n" in shown
    assert "  if kind is sgd:\t\n    momentum\tfloat from 0 to 1\n" in shown
    assert "size\t16, 32.5\n" in shown
    as_json = cli("studies", "show", "digits", "--json").stdout
    created = cli("studies", "create", "-", "--name", "again", input=as_json)
    assert created.stdout == f"again: {study.url.replace('digits', 'again')}\n"
    assert dodona.Client().get_study("again").spec == study.spec
    file = tmp_path / "study.json"
    file.write_text('{"studySpec": 3}')
    refused = cli("studies", "create", file)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"dodona: {file} is not a study: studySpec")


def test_a_study_learns_from_earlier_ones_and_says_so(
    cli: Callable[..., Result], study: dodona.Study, tmp_path: Path
) -> None:
    file = tmp_path / "study.json"
    file.write_text(cli("studies", "show", "digits", "--json").stdout)
    study.set_max_trials(30)
    for _ in range(10):
        with study.ask() as trial:
            trial.complete(0.5)
    assert cli("studies", "create", file, "--name", "auto", "--prior-studies", "auto").exit_code == 0
    (prior,) = dodona.Client().get_study("auto").prior_studies
    assert (prior.id, prior.name, prior.similarity, prior.trials, prior.weight) == ("digits", study.name, 1.0, 12, None)
    assert "learns from  digits (similarity 1.00, 12 trials)\n" in cli("studies", "show", "auto").stdout
    cli("studies", "create", file, "--name", "listed", "--prior-studies", "auto,digits")
    assert [one.id for one in dodona.Client().get_study("listed").prior_studies] == ["auto", "digits"]
    again = cli("studies", "show", "auto", "--json").stdout
    cli("studies", "create", "-", "--name", "off", "--prior-studies", "off", input=again)
    alone = dodona.Client().get_study("off")
    assert (alone.prior_studies, alone.spec.prior_studies) == ([], [])
    assert "learns from" not in cli("studies", "show", "off").stdout


def test_a_study_is_paused_resumed_completed_and_deleted(cli: Callable[..., Result], study: dodona.Study) -> None:
    assert cli("studies", "pause", "digits", "--reason", "rebuild").stdout == "digits: INACTIVE: rebuild\n"
    assert cli("studies", "resume", "digits", "--max-trials", 20).stdout == "digits: ACTIVE\n"
    study.refresh()
    assert study.spec.study_stopping_config.max_num_trials == 20
    assert cli("studies", "complete", "digits", input="n\n").exit_code == 1
    assert cli("studies", "complete", "digits", "--yes").stdout.startswith("digits: COMPLETED")
    assert "deleted" in cli("studies", "delete", "digits", input="y\n").stdout
    gone = cli("studies", "show", "digits")
    assert (gone.exit_code, gone.stderr.count("\n")) == (1, 1)
    assert "no study with the displayName 'digits'" in gone.stderr


def test_a_deleted_study_is_listed_brought_back_and_purged(cli: Callable[..., Result], study: dodona.Study) -> None:
    for _ in range(2):
        cli("studies", "delete", "digits", "--yes")
        assert lines(cli("studies", "deleted"))[1][1:4] == ["digits", "", "3"]
        assert cli("studies", "undelete", "digits").stdout.startswith("digits: http")
    assert len(study.trials()) == 3
    cli("studies", "delete", "digits", "--yes")
    # The last deleted comes first; other tests have deleted studies of that name too.
    first, *_ = [one for one in json.loads(cli("studies", "deleted", "--json").stdout) if one["study_id"] == "digits"]
    assert cli("studies", "undelete", first["id"], "--new-name", "numbers").stdout.startswith("numbers: http")
    cli("studies", "delete", "numbers", "--yes")
    assert cli("studies", "purge", "numbers", input="n\n").exit_code == 1
    assert cli("studies", "purge", "numbers", "--yes").stdout == "numbers: purged\n"
    gone = cli("studies", "undelete", "numbers")
    assert (gone.exit_code, gone.stderr) == (1, "dodona: no deleted study 'numbers' can be restored\n")


def test_the_best_trials(cli: Callable[..., Result], study: dodona.Study) -> None:
    head, first, second = lines(cli("studies", "best", "digits", "-n", 5))
    assert head == ["trial", "state", "step", "acc", "time", "worker", "parameters"]
    assert [first[0], first[3], second[0], second[3]] == ["1", "0.9", "2", "0.5"]
    (best,) = json.loads(cli("studies", "best", "digits", "--json").stdout)
    assert (best["number"], best["metrics"]) == (1, {"acc": 0.9})
    dodona.Client().create_study("empty", SPACE, goal="minimize")
    none = cli("studies", "best", "empty")
    assert (none.exit_code, none.stderr) == (1, "dodona: no trial of empty has succeeded yet\n")


def test_a_study_is_watched_until_its_last_trial_ends(
    cli: Callable[..., Result], study: dodona.Study, running: dodona.Trial
) -> None:
    study.complete()
    ending = threading.Timer(1.0, running.complete, [0.75])
    ending.start()
    watched = lines(cli("studies", "watch", "digits", "--seconds", 0.2))
    ending.join()
    assert [row[:2] for row in watched[1:4]] == [["1", "SUCCEEDED"], ["2", "SUCCEEDED"], ["3", "INFEASIBLE"]]
    assert [row[:4] for row in watched[4:]] == [["4", "SUCCEEDED", "3", "0.75"]]


def test_workers_are_listed_with_their_trials(
    cli: Callable[..., Result], study: dodona.Study, running: dodona.Trial, server_url: str
) -> None:
    with dodona.Client(server_url, worker="another").get_study("digits").ask() as trial:
        trial.complete(0.25)
    head, first, second = lines(cli("workers", "list", "digits"))
    assert head[:7] == ["worker", "study", "state", "running", "since", "finished", "failed"]
    rows = {row[0]: row for row in (first, second)}
    assert [*rows["w"][1:4], *rows["w"][5:7]] == ["digits", "RUNNING", "4", "2", "1"]
    assert rows["another"][2:7] == ["WAITING", "", "", "1", "0"]
    assert rows["another"][9].endswith(" ago")


def test_trials_are_listed_and_shown(cli: Callable[..., Result], study: dodona.Study, running: dodona.Trial) -> None:
    assert [row[0] for row in lines(cli("trials", "list", "digits"))] == ["trial", "1", "2", "3", "4"]
    _, running = lines(cli("trials", "list", "digits", "--state", "active"))
    assert running[:4] == ["4", "ACTIVE", "3", "0.25"]
    wrong = cli("trials", "list", "digits", "--state", "done")
    assert wrong.exit_code == 2
    assert "REQUESTED, ACTIVE, STOPPING, SUCCEEDED, INFEASIBLE" in wrong.stderr
    assert "failed      out of memory\n" in cli("trials", "show", "digits", 3).stdout
    assert cli("trials", "show", "digits", 1).stdout.endswith("step\tacc\n1\t0.45\n")
    shown = json.loads(cli("trials", "show", "digits", 1, "--json").stdout)
    (measured,) = shown["measurements"]
    assert 0 <= measured.pop("elapsed") < patience(10)
    assert measured == {"step": 1, "metrics": {"acc": 0.45}}
    assert cli("trials", "show", "digits", 99).exit_code == 1


def test_trials_are_queued_stopped_retried_and_deleted(
    cli: Callable[..., Result], study: dodona.Study, running: dodona.Trial
) -> None:
    values = ["rate=0.001", "units=32", "kind=sgd", "momentum=0.5", "flip=true", "size=16"]
    assert cli("trials", "queue", "digits", *values).stdout.startswith("trial 5 of digits: REQUESTED: rate=0.001")
    assert study.trial(5).parameters == {
        "rate": 0.001, "units": 32, "kind": "sgd", "momentum": 0.5, "flip": True, "size": 16,
    }  # fmt: skip
    assert cli("trials", "stop", "digits", 4).stdout == "trial 4 of digits: STOPPING\n"
    assert cli("trials", "retry", "digits", 3).stdout.startswith("trial 6 of digits: REQUESTED")
    assert study.trial(6).parameters == study.trial(3).parameters
    assert cli("trials", "delete", "digits", 3, "--yes").stdout == "trial 3 of digits: deleted\n"
    assert [one.number for one in study.trials()] == [1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["rate"], "'rate' is not a NAME=VALUE"),
        (["rat=1"], "'rat' is not a parameter of digits; they are rate, units, kind, flip, size, momentum"),
        (["flip=perhaps"], "flip=perhaps: use true or false"),
        (["units=1000"], "parameter 'units': 1000 is not an integer from 8 to 256"),
    ],
)
def test_wrong_values_are_named(cli: Callable[..., Result], study: dodona.Study, values: list[str], words: str) -> None:
    refused = cli("trials", "queue", "digits", *values)
    assert (refused.exit_code, refused.stderr) == (2, f"dodona: {words}\n")
    assert len(study.trials()) == 3


def test_an_export_has_the_format_of_its_name(
    cli: Callable[..., Result], study: dodona.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("export", "digits").stdout == "digits: digits.csv\n"
    assert (tmp_path / "digits.csv").read_text().startswith("number,state,")
    assert cli("export", "digits", "-o", "all.jsonl").exit_code == 0
    assert [json.loads(line)["id"] for line in (tmp_path / "all.jsonl").open()] == ["1", "2", "3"]
    assert cli("export", "digits", "--format", "parquet").exit_code == 0
    assert (tmp_path / "digits.parquet").read_bytes()[:4] == b"PAR1"
    refused = cli("export", "digits", "-o", "all.txt")
    assert (refused.exit_code, refused.stderr) == (
        2, "dodona: 'txt' is not a format of an export; use csv, jsonl, parquet\n",
    )  # fmt: skip
    assert sorted(file.name for file in tmp_path.iterdir()) == ["all.jsonl", "digits.csv", "digits.parquet"]


def test_a_server_that_is_not_there_has_its_own_exit_code(cli: Callable[..., Result]) -> None:
    away = cli("studies", "list", "--url", "http://127.0.0.1:9")
    assert away.exit_code == 3
    assert "no server answered at http://127.0.0.1:9" in away.stderr


def test_the_help_has_defaults_and_an_unknown_command_names_the_nearest(cli: Callable[..., Result]) -> None:
    assert "[default: 8080]" in cli("serve", "--help").stdout
    assert "<bool>" not in cli("--help").stdout
    assert cli("--version").stdout == cli("version").stdout == f"dodona {dodona.__version__}\n"
    unknown = cli("studie")
    assert unknown.exit_code == 2
    assert "there is no command 'studie'; did you mean 'studies'?" in unknown.stderr


def test_a_chart_is_at_most_sixty_bars_wide() -> None:
    assert chart([1.0, 2.0, 3.0]) == "▁▅█"
    assert chart([5.0]) == "▁"
    assert len(chart([float(number) for number in range(1000)])) == 60
