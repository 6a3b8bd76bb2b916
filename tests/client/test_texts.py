"""Texts that others wrote: messages of exceptions never decide over a trial; names that cannot be kept are refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from dodona import Client, Float, ServerError, Study, TrialRecord
from dodona._text import MAX_REASON_LENGTH, visible
from tests.client.network import Clock, Network, canned, connected, study_json, suggestion


class Speechless(Exception):
    """As those that build their message from what is not there."""

    def __str__(self) -> str:
        raise KeyError("message")


@pytest.fixture
def study(client: Client) -> Study:
    return client.create_study("texts", {"x": Float(0, 1)}, goal="minimize", algorithm="random_search")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bytes \0\1 in a record"), "ValueError: bytes \\x00\1 in a record"),
        (OSError("no file \udcff.png"), "OSError: no file ?.png"),
        (ValueError("\ud83d\ude00 \N{GRINNING FACE} é"), "ValueError: ?? \N{GRINNING FACE} é"),
        (ValueError(r"\u0000 \\u0000"), r"ValueError: \u0000 \\u0000"),
        (Speechless(), "Speechless: <Speechless whose text cannot be read: KeyError>"),
        (ValueError(), "ValueError: "),
        (KeyError(1, b"\0"), "KeyError: (1, b'\\x00')"),
    ],
    ids=["nul", "surrogate", "surrogate-pair", "escapes", "str-raises", "empty", "several"],
)
def test_a_trial_fails_whatever_its_exception_says(study: Study, error: Exception, reason: str) -> None:
    with pytest.raises(type(error)), study.ask():
        raise error
    record = study.trial(1)
    assert (record.state, record.infeasible_reason) == ("INFEASIBLE", reason)


def test_of_a_very_long_reason_the_beginning_and_the_end_are_kept(study: Study) -> None:
    with pytest.raises(ValueError, match="begin"), study.ask():
        raise ValueError("begin" + 20_000_000 * "\0" + "the end")
    reason = study.trial(1).infeasible_reason or ""
    assert reason.startswith("ValueError: begin\\x00")
    assert reason.endswith("\\x00the end")
    assert len(reason) <= MAX_REASON_LENGTH


def test_a_reason_may_be_an_exception(study: Study) -> None:
    reasons: list[Any] = [ValueError("no\0"), Speechless(), None]
    for reason in reasons:
        study.ask().fail(reason)
    assert [record.state for record in study.trials()] == ["INFEASIBLE"] * 3


@pytest.mark.parametrize("bad", ["a\0b", "a\udcffb"])
@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client, bad: client.create_study(bad, goal="minimize"), "the study's name is"),
        (lambda client, bad: client.get_study(bad), "the study's name is"),
        (lambda client, bad: client.create_study("m", goal="minimize", metadata={bad: "v"}), "a key of metadata is"),
        (lambda client, bad: client.create_study("m", goal="minimize", metadata={"n": bad}), r"metadata\['n'\] is"),
        (lambda client, bad: Client(client.url, worker=bad), "worker is"),
        (lambda client, bad: client.get_study("texts").ask(bad), "worker is"),
        (lambda client, bad: client.get_study("texts").ask().report(1.0, checkpoint=bad), "checkpoint is"),
        (lambda client, bad: client.get_study("texts").ask().report({bad: 1.0}), "a metric's name is"),
        (lambda client, bad: client.get_study("texts").ask().complete({bad: 1.0}), "a metric's name is"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused_with_its_field(
    client: Client, study: Study, call: Callable[[Client, str], Any], field: str, bad: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{field} 'a\\(x00|udcff)b'; it must have neither"):
        call(client, bad)


def test_a_checkpoint_that_is_too_long(study: Study) -> None:
    with pytest.raises(ValueError, match="checkpoint has 5000 characters; 4096 are allowed"):
        study.ask().report(1.0, checkpoint=5000 * "x")


def test_a_worker_that_waits_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    monkeypatch.setattr("dodona._studies.asking.time", clock)
    network = Network(canned(s=study_json(), suggest=[*[suggestion()] * 12, suggestion(1)]))
    with caplog.at_level(logging.WARNING, "dodona"):
        connected(network, worker="w").get_study("s").ask()
    assert [record.message for record in caplog.records if "waiting" in record.message] == [
        "the study 's' has no trial for the worker 'w' now: waiting until a trial of another worker ends"
    ]
    first, second, *_ = (body.get("wait") for body in network.bodies("POST studies/s/trials:suggest"))
    assert (first, second) == (None, "5.000s"), "so that it is said in time"


def test_what_is_printed_of_others_texts_moves_no_cursor() -> None:
    evil = "\x1b[2J\x9b\u202egpj\u2066\r\nx"
    error = ServerError(500, "INTERNAL", evil)
    assert (str(error), error.message) == ("\\x1b[2J\\x9b\\u202egpj\\u2066\\r\nx", evil)
    record = TrialRecord(1, "SUCCEEDED", {evil: evil}, {evil: 1.0}, (), None, None, None, None, 1)
    assert str(record).isprintable()
    # What people write in their own language stays.
    assert visible("שלום, مرحبا, 👩\u200d🚀, é, 日本\tx\n") == "שלום, مرحبا, 👩\u200d🚀, é, 日本\tx\n"
