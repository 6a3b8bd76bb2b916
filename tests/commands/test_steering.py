"""The commands that change studies, trials and workers, against a real server, in this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

import dodona
from dodona_cli._dispatch import app
from tests.support.patience import patience

Cli = Callable[..., Result]


@pytest.fixture
def cli(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("DODONA_URL", server_url)
    runner = CliRunner()
    return lambda *arguments, **more: runner.invoke(app, [str(one) for one in arguments], **more)


@pytest.fixture
def study(server_url: str) -> dodona.Study:
    """A study with three finished trials."""
    client = dodona.Client(server_url, worker="w")
    study = client.create_study("digits", {"rate": dodona.Float(0, 1)}, goal="maximize", metric="acc", max_trials=9)
    for value in (0.9, 0.5, 0.7):
        with study.ask() as trial:
            trial.complete(value)
    return study


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_study_is_renamed_and_found_by_both_names(cli: Cli, study: dodona.Study) -> None:
    assert done(cli("studies", "rename", "digits", "ten classes")) == "digits: now ten classes"
    assert "ten classes" in done(cli("studies", "show", "ten classes"))
    again = dodona.Client().create_study(
        "digits", {"rate": dodona.Float(0, 1)}, goal="maximize", metric="acc", max_trials=9
    )
    assert again.name == study.name


def test_an_archived_study_is_left_out_of_the_list(cli: Cli, study: dodona.Study) -> None:
    done(cli("studies", "archive", "digits"))
    assert "digits" not in done(cli("studies", "list"))
    assert "digits" in done(cli("studies", "list", "--archived"))
    done(cli("studies", "unarchive", "digits"))
    assert "digits" in done(cli("studies", "list"))


def test_tags_and_notes_of_studies_and_trials(cli: Cli, study: dodona.Study) -> None:
    assert done(cli("studies", "tag", "digits", "paper", "draft")) == "digits: paper, draft"
    assert done(cli("studies", "tag", "digits", "--remove", "draft")) == "digits: paper"
    assert "digits" in done(cli("studies", "list", "--tag", "paper"))
    assert "digits" not in done(cli("studies", "list", "--tag", "draft"))
    done(cli("studies", "note", "digits", "with clean labels"))
    assert "note        with clean labels" in re.sub(" {3,}", "        ", done(cli("studies", "show", "digits")))
    assert done(cli("trials", "tag", "digits", 2, "odd")) == "trial 2 of digits: odd"
    done(cli("trials", "note", "digits", 2, "look at epoch 9"))
    shown = json.loads(done(cli("trials", "show", "digits", 2, "--json")))
    assert (shown["note"], shown["tags"]) == ("look at epoch 9", ["odd"])
    assert cli("trials", "tag", "digits", 2, "a,b").exit_code == 2


def test_limits_and_the_stopping_rule_are_set_and_removed(cli: Cli, study: dodona.Study) -> None:
    done(cli("studies", "set", "digits", "--max-trials", 20, "--max-time", "12h", "--stopping", "median"))
    study.refresh()
    config = study.spec.study_stopping_config
    assert config is not None
    assert config.max_num_trials == 20
    assert config.maximum_runtime_constraint is not None
    assert config.maximum_runtime_constraint.max_duration == 43_200
    assert study.spec.median_automated_stopping_spec is not None
    done(cli("studies", "set", "digits", "--max-time", "none", "--stopping", "none", "--max-failed", 3))
    study.refresh()
    config = study.spec.study_stopping_config
    assert config is not None
    assert (config.max_num_trials, config.max_failed_trials, config.maximum_runtime_constraint) == (20, 3, None)
    assert study.spec.median_automated_stopping_spec is None


def test_the_wanted_workers_are_set_shown_and_removed(cli: Cli, study: dodona.Study) -> None:
    done(cli("studies", "set", "digits", "--workers", 8))
    assert "8 wanted" in done(cli("studies", "show", "digits"))
    study.refresh()
    assert study.wanted_workers == 8
    done(cli("studies", "set", "digits", "--workers", "none"))
    study.refresh()
    assert study.wanted_workers is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to change"),
        (("--max-trials", "many"), "'many' is not a number of trials"),
        (("--workers", "many"), "'many' is not a number of workers"),
        (("--max-time", "12 parsecs"), "'12 parsecs' is not a duration"),
        (("--stopping", "guess"), "early_stopping is 'guess'"),
    ],
)
def test_a_wrong_limit_is_one_line(cli: Cli, study: dodona.Study, arguments: tuple[str, ...], words: str) -> None:
    refused = cli("studies", "set", "digits", *arguments)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_trials_are_filtered_and_sorted(cli: Cli, study: dodona.Study) -> None:
    listed = done(cli("trials", "list", "digits", "--filter", "acc > 0.6", "--sort", "acc"))
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["trial", "3", "1"]
    assert [one.number for one in study.trials(filter="acc > 0.6", order_by="acc desc")] == [1, 3]
    refused = cli("trials", "list", "digits", "--filter", "lr > 0.6")
    assert refused.exit_code == 1
    assert "'lr' at character 1 is not a column" in refused.stderr


def test_a_trial_is_watched_to_its_end(cli: Cli, study: dodona.Study) -> None:
    trial = study.ask()
    for step in (1, 2):
        trial.report(step / 4, step=step)
    trial.complete(0.5)
    lines = done(cli("trials", "watch", "digits", 4)).splitlines()
    assert lines[:3] == ["step\tacc", "1\t0.25", "2\t0.5"]
    assert lines[3].startswith("trial 4 SUCCEEDED with acc=0.5")


def test_a_worker_is_stopped_and_let_go_on(cli: Cli, study: dodona.Study) -> None:
    trial = study.ask()
    assert "\tRUNNING\t4\t" in done(cli("workers", "list"))
    assert done(cli("workers", "stop", "w")) == "w of digits: STOPPING"
    trial.complete(0.5)
    with pytest.raises(dodona.WorkerStopped, match="the worker 'w' was asked to stop"):
        study.ask()
    study.optimize(lambda _: 1.0)
    assert [one.state for one in study.workers()] == ["STOPPED"]
    assert done(cli("workers", "resume", "w", "--study", "digits")) == "w of digits: WAITING"
    study.ask().release()
    (listed,) = json.loads(done(cli("workers", "list", "digits", "--json")))
    assert listed["agent"].startswith("dodona/")
    unknown = cli("workers", "stop", "nobody")
    assert (unknown.exit_code, "no study has a worker 'nobody'" in unknown.stderr) == (1, True)


def test_a_worker_that_is_stopped_at_once_loses_its_trial(cli: Cli, study: dodona.Study) -> None:
    trial = study.ask()
    trial.report(0.1, step=1)
    done(cli("workers", "stop", "w", "--now"))
    with pytest.raises(dodona.Aborted):
        trial.report(0.2, step=2)
    other = dodona.Client(worker="other").get_study("digits").ask()
    assert (other.number, other.attempt) == (4, 2)


def test_the_project_may_be_a_variable(cli: Cli, study: dodona.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODONA_PROJECT", "elsewhere")
    assert "digits" not in done(cli("studies", "list"))
    assert "digits" in done(cli("studies", "list", "--project", "default"))


def test_every_command_of_the_client_has_an_example_and_no_odd_word(cli: Cli) -> None:
    import dodona.commands.demo
    import dodona.commands.exporting
    import dodona.commands.importing
    import dodona.commands.run
    import dodona.commands.studies
    import dodona.commands.trials
    import dodona.commands.workers

    groups = {
        "studies": dodona.commands.studies.app,
        "trials": dodona.commands.trials.app,
        "workers": dodona.commands.workers.workers,
        "import": dodona.commands.importing.app,
    }
    commands = [(name, one) for name, group in groups.items() for one in get_command(group).commands]  # type: ignore[attr-defined]
    for arguments in [*commands, ("export",), ("demo",), ("run",)]:
        shown = done(cli(*arguments, "--help"))
        assert f"Example: dodona {' '.join(arguments)}" in " ".join(shown.split()), arguments
        assert "<bool>" not in shown, arguments


def test_the_demo_is_a_server_with_a_study_that_is_searched() -> None:
    command = [sys.executable, "-m", "dodona", "demo", "--port", "0", "--epoch", "0", "--workers", "1", "--trials", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert url.endswith("/studies/default/local/demo")
        assert httpx.get(url, timeout=patience(10), trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert "the demo has ended" in process.communicate(timeout=patience(20))[0]
    finally:
        process.kill()
        process.wait()


def test_webhooks_are_made_tested_listed_and_deleted(cli: Cli) -> None:
    made = re.fullmatch(r"(\w+): the secret .* is whsec_\w+", done(cli("webhooks", "create", "http://127.0.0.1:9/x")))
    assert made
    failed = cli("webhooks", "test", made[1][:8])
    assert failed.exit_code == 1
    assert "is at the private address" in failed.stderr
    assert "127.0.0.1:9/x" in done(cli("webhooks", "list"))
    assert "a test" in done(cli("webhooks", "deliveries", made[1]))
    (tried,) = json.loads(done(cli("webhooks", "deliveries", made[1], "--json")))
    assert tried["kind"] == "TEST"
    assert cli("webhooks", "create", "x", "--kind", "NONE").exit_code == 1
    done(cli("webhooks", "delete", made[1], "--yes"))
    assert made[1] not in done(cli("webhooks", "list"))
    assert cli("webhooks", "test", made[1]).exit_code == 1
