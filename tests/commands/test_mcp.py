"""`dodona mcp` with the protocol's own client, over standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client

import dodona
from tests.support.processes import environment

pytestmark = pytest.mark.processes

SPACE = {"rate": dodona.Float(1e-4, 1e-1, scale="log"), "kind": dodona.Categorical(["sgd", "adam"])}
READERS = {"list_studies", "summarize_study", "list_trials", "get_trial", "compare_studies", "report_study"}


@pytest.fixture
def study(server_url: str) -> dodona.Study:
    """A study of 30 trials, in which the rate matters and the kind does not; one of them failed."""
    study = dodona.Client(server_url).create_study(
        "digits", SPACE, metrics={"acc": "maximize"}, max_trials=40, algorithm="random_search", seed=3
    )
    for number in range(1, 30):
        with study.ask() as trial:
            trial.report(trial.parameters["rate"] * 5, 1)
            trial.complete(trial.parameters["rate"] * 10)
            assert trial.number == number
    study.ask().fail("out of memory")
    return study


class Assistant:
    """What a test does in one session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in (await self._session.list_tools()).tools}

    async def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers."""
        result = await self._session.call_tool(tool, arguments)
        assert not result.is_error, result
        structured = result.structured_content
        if structured is None:
            return "".join(part.text for part in result.content)
        return structured["result"] if set(structured) == {"result"} else structured

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The words with which a tool refuses."""
        result = await self._session.call_tool(tool, arguments)
        assert result.is_error, result
        return result.content[0].text


@pytest.fixture
def assisted(server_url: str) -> Callable[..., None]:
    """Runs a test's part with an assistant."""

    def run(part: Callable[[Assistant], Awaitable[None]], *options: str) -> None:
        async def within() -> None:
            command = StdioServerParameters(
                command=sys.executable,
                args=["-m", "dodona", "mcp", "--url", server_url, *options],
                env=environment(),
            )
            async with stdio_client(command) as streams, ClientSession(*streams) as session:
                await session.initialize()
                await part(Assistant(session))

        asyncio.run(within())

    return run


def test_an_assistant_reads_the_state_of_a_study_and_queues_trials(assisted, study):
    async def part(assistant: Assistant) -> None:
        tools = await assistant.tools()
        assert len(tools) == 15
        assert {name for name, tool in tools.items() if tool.annotations.read_only_hint} == READERS
        assert {name for name, tool in tools.items() if tool.annotations.destructive_hint} == {"stop_trial"}
        assert "Args:" in tools["queue_trial"].description

        (listed,) = await assistant.call("list_studies")
        assert (listed["study"], listed["trials"], listed["goals"]) == ("digits", 30, {"acc": "maximize"})
        state = await assistant.call("summarize_study", study="digits")
        assert state["states"] == {"SUCCEEDED": 29, "INFEASIBLE": 1}
        assert (state["trials_left"], state["budget"]) == (10, {"max_trials": 40})
        assert state["failures"] == [{"reason": "out of memory", "trials": 1}]
        assert state["best_trials"][0]["metrics"] == {"acc": pytest.approx(study.best_trial.metrics["acc"], rel=1e-5)}
        shares = state["importance"]["shares_of_variance"]
        assert shares["rate"]["low"] > shares["kind"]["share"]
        assert len(json.dumps(state)) < 4000

        queued = await assistant.call("queue_trial", study="digits", parameters={"rate": 0.09, "kind": "adam"})
        assert (queued["trial"], queued["state"]) == (31, "REQUESTED")
        found = await assistant.call("list_trials", study="digits", filter="acc > 0.5", order_by="acc desc", count=2)
        assert found["matching"] == sum(trial.metrics.get("acc", 0) > 0.5 for trial in study.trials())
        assert found["trials"][0]["trial"] == study.best_trial.number
        one = await assistant.call("get_trial", study="digits", trial=2)
        assert [point["step"] for point in one["curve"]] == [1]
        report = await assistant.call("report_study", study="digits")
        assert report.startswith("# digits")

    assisted(part)


def test_it_runs_a_trial_itself(assisted, study):
    async def part(assistant: Assistant) -> None:
        asked = await assistant.call("ask_trial", study="digits")
        mine = {"study": "digits", "trial": asked["trial"]}
        went_on = await assistant.call("report_measurement", **mine, metrics={"acc": 0.1}, step=1)
        assert went_on == {"should_stop": False, "reason": None}
        await assistant.call("stop_trial", **mine)
        assert (await assistant.call("report_measurement", **mine, metrics={"acc": 0.2}, step=2))["should_stop"]
        ended = await assistant.call("complete_trial", **mine, metrics={"acc": 0.2})
        assert (ended["state"], ended["metrics"]) == ("STOPPED_EARLY", {"acc": 0.2})
        words = await assistant.refused("complete_trial", **mine, metrics={"acc": 0.2})
        assert f"trial {asked['trial']} of digits is not yours" in words
        failing = await assistant.call("ask_trial", study="digits")
        failed = {"study": "digits", "trial": failing["trial"], "failed_because": "no such file"}
        assert (await assistant.call("complete_trial", **failed))["reason"] == "no such file"

    assisted(part)


def test_it_steers_and_creates(assisted, study):
    spec = {
        "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
        "studyStoppingConfig": {"maxNumTrials": 5},
    }

    async def part(assistant: Assistant) -> None:
        assert (await assistant.call("pause_study", study="digits", reason="look first"))["state"] == "INACTIVE"
        assert (await assistant.call("resume_study", study="digits"))["state"] == "ACTIVE"
        await assistant.call("set_budget", study="digits", max_trials=50)
        assert (await assistant.call("summarize_study", study="digits"))["trials_left"] == 20
        tried = await assistant.call("create_study", name="new", spec=spec)
        assert (tried["created"], tried["spec"]["studyStoppingConfig"]) == (False, {"maxNumTrials": 5})
        assert "has no study" in await assistant.refused("summarize_study", study="new")
        made = await assistant.call("create_study", name="new", spec=spec, dry_run=False)
        assert (made["created"], made["trials_left"]) == (True, 5)
        both = await assistant.call("compare_studies", studies=["digits", "new"])
        assert [one["trials"] for one in both] == [30, 0]
        wrong = {**spec, "metrics": [{"metricId": "loss", "goal": "HIGHEST"}]}
        assert "goal" in await assistant.refused("create_study", name="other", spec=wrong)
        outside = await assistant.refused("queue_trial", study="digits", parameters={"rate": 5.0, "kind": "adam"})
        assert "rate" in outside

    assisted(part)


def test_a_reader_has_only_tools_that_change_nothing(assisted, study):
    async def part(assistant: Assistant) -> None:
        assert set(await assistant.tools()) == READERS

    assisted(part, "--read-only")
