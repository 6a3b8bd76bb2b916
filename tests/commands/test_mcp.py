"""The tools of assistants with the protocol's own client: `dodona mcp` over stdio, and `/mcp` of a server over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

import dodona
from dodona._assistants.tools import OFFERS
from dodona_server.domain.access.roles import RULES, Role
from tests.support.processes import ServerProcess, environment

pytestmark = pytest.mark.processes

SPACE = {"rate": dodona.Float(1e-4, 1e-1, scale="log"), "kind": dodona.Categorical(["sgd", "adam"])}
READERS = {"list_studies", "summarize_study", "list_trials", "get_trial", "compare_studies", "report_study"}
READERS.add("explain_trial")
OPERATOR = "the token of the settings"
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


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


@asynccontextmanager
async def over_stdio(url: str, token: str = "", project: str = "", *options: str) -> AsyncIterator[Assistant]:
    named = ["--token", token] if token else []
    named += ["--project", project] if project else []
    arguments = ["-m", "dodona", "mcp", "--url", url, *named, *options]
    command = StdioServerParameters(command=sys.executable, args=arguments, env=environment())
    async with stdio_client(command) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield Assistant(session)


@asynccontextmanager
async def over_http(url: str, token: str = "", project: str = "") -> AsyncIterator[Assistant]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    query = f"?project={project}" if project else ""
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as client,
        streamable_http_client(f"{url}/mcp{query}", http_client=client) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield Assistant(session)


Part = Callable[[Assistant], Awaitable[None]]


def run(part: Part, over: Any, *arguments: str) -> None:
    async def within() -> None:
        async with over(*arguments) as assistant:
            await part(assistant)

    asyncio.run(within())


@pytest.fixture(params=[over_stdio, over_http], ids=["stdio", "http"])
def over(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def assisted(server_url: str, over: Any) -> Callable[[Part], None]:
    """Runs a test's part with an assistant, over each transport."""
    return lambda part: run(part, over, server_url)


def test_an_assistant_reads_the_state_of_a_study_and_queues_trials(assisted, study):
    async def part(assistant: Assistant) -> None:
        tools = await assistant.tools()
        assert len(tools) == len(OFFERS) == 17
        assert {name for name, tool in tools.items() if tool.annotations.read_only_hint} == READERS
        assert {name for name, tool in tools.items() if tool.annotations.destructive_hint} == {"stop_trial"}
        assert "Args:" in tools["queue_trial"].description

        (listed,) = await assistant.call("list_studies")
        assert (listed["study"], listed["trials"], listed["goals"]) == ("digits", 30, {"acc": "maximize"})
        state = await assistant.call("summarize_study", study="digits")
        assert state["states"] == {"SUCCEEDED": 29, "INFEASIBLE": 1}
        assert (state["left"], state["budget"]) == ({"trials": 10}, {"max_trials": 40})
        assert state["used"]["compute_hours"] > 0
        assert state["failures"] == [{"reason": "out of memory", "trials": 1}]
        assert state["best_trials"][0]["metrics"] == {"acc": pytest.approx(study.best_trial.metrics["acc"], rel=1e-5)}
        shares = state["importance"]["shares_of_variance"]
        assert shares["rate"]["low"] > shares["kind"]["share"]
        assert state["promising_region"]["rate"]["from"] > 0.02
        assert state["tried"]["kind"].keys() == {"sgd", "adam"}
        assert state["algorithm"] == "RANDOM_SEARCH"
        assert state["page"].startswith("http://127.0.0.1:")
        assert len(json.dumps(state)) < 4000

        queued = await assistant.call("queue_trial", study="digits", parameters={"rate": 0.09, "kind": "adam"})
        assert (queued["trial"], queued["state"]) == (31, "REQUESTED")
        found = await assistant.call("list_trials", study="digits", filter="acc > 0.5", order_by="acc desc", count=2)
        assert found["trials"][0]["trial"] == study.best_trial.number
        further = {"filter": "acc > 0.5", "order_by": "acc desc", "count": 100, "page": found["next_page"]}
        rest = await assistant.call("list_trials", study="digits", **further)
        good = sum(trial.metrics.get("acc", 0) > 0.5 for trial in study.trials())
        assert (len(found["trials"]) + len(rest["trials"]), "next_page" in rest) == (good, False)
        assert "RANDOM_SEARCH" in await assistant.call("explain_trial", study="digits", trial=2)
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
        assert f"trial {asked['trial']} of 'digits' is SUCCEEDED" in words
        others = study.ask(worker="w").number
        refusal = await assistant.refused("complete_trial", study="digits", trial=others, metrics={"acc": 1.0})
        assert f"trial {others} of digits was not requested by an assistant" in refusal
        failing = await assistant.call("ask_trial", study="digits")
        failed = {"study": "digits", "trial": failing["trial"], "failed_because": "no such file"}
        assert (await assistant.call("complete_trial", **failed))["reason"] == "no such file"

    assisted(part)


def test_it_steers_and_creates(assisted, study):
    spec = {
        "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
        "studyStoppingConfig": {"maxNumTrials": 5, "maximumRuntimeConstraint": {"maxDuration": "3600s"}},
    }

    async def part(assistant: Assistant) -> None:
        assert (await assistant.call("pause_study", study="digits", reason="look first"))["state"] == "INACTIVE"
        assert (await assistant.call("resume_study", study="digits"))["state"] == "ACTIVE"
        limits = {"max_trials": 50, "max_compute_hours": 2.0, "max_cost": 5, "price_per_hour": 1}
        changed = await assistant.call("set_budget", study="digits", **limits)
        assert changed["budget"] == {
            "max_trials": 50,
            "max_compute_seconds": 7200.0,
            "max_cost": 5.0,
            "price_per_hour": 1.0,
        }
        left = (await assistant.call("summarize_study", study="digits"))["left"]
        assert left["trials"] == 20
        assert left.keys() == {"trials", "compute_hours", "cost"}
        assert 1.9 < left["compute_hours"] < 2.0 < left["cost"] < 5.0
        assert "max_hours" in await assistant.refused("set_budget", study="digits")
        tried = await assistant.call("create_study", name="new", spec=spec)
        assert (tried["created"], tried["name_is_taken"]) == (False, False)
        assert tried["spec"]["studyStoppingConfig"]["maxNumTrials"] == 5
        hinted = await assistant.call("set_hint", study="digits", parameter="rate", values=[0.03], sure="very")
        assert "0.03" in hinted["space"]["rate"]
        removed = await assistant.call("set_hint", study="digits", parameter="rate", values=[])
        assert removed["space"]["rate"] == str(SPACE["rate"])
        refused = await assistant.refused("set_hint", study="digits", parameter="rate", values=[3.0])
        assert "3.0" in refused
        assert "has no study" in await assistant.refused("summarize_study", study="new")
        made = await assistant.call("create_study", name="new", spec=spec, dry_run=False)
        assert (made["created"], made["left"]["trials"]) == (True, 5)
        assert made["budget"] == {"max_trials": 5, "maximum_runtime_seconds": 3600.0}
        both = await assistant.call("compare_studies", studies=["digits", "new"])
        assert [one["trials"] for one in both] == [30, 0]
        wrong = {**spec, "metrics": [{"metricId": "loss", "goal": "HIGHEST"}]}
        assert "goal" in await assistant.refused("create_study", name="other", spec=wrong)
        empty = {**spec, "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 2, "maxValue": 1}}]}
        assert "x" in await assistant.refused("create_study", name="other", spec=empty)
        outside = await assistant.refused("queue_trial", study="digits", parameters={"rate": 5.0, "kind": "adam"})
        assert "rate" in outside

    assisted(part)


def test_a_reader_has_only_tools_that_change_nothing(server_url, study):
    async def part(assistant: Assistant) -> None:
        assert set(await assistant.tools()) == READERS

    run(part, over_stdio, server_url, "", "", "--read-only")


class TestRoles:
    """Tokens of each role in a project, on a server of their own."""

    @pytest.fixture(scope="class")
    @classmethod
    def guarded(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
        process = ServerProcess(tmp_path_factory.mktemp("roles"), DODONA_TOKEN=OPERATOR).start()

        def send(method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
            headers = {"authorization": f"Bearer {OPERATOR}", **headers}
            return httpx.request(method, process.url + path, json=body, headers=headers)

        def token(role: str, project: str = "vision") -> str:
            body = {"displayName": role, "role": role, "project": project}
            return str(send("POST", "/v1/tokens", body).json()["secret"])

        dodona.Client(process.url, OPERATOR, "vision").create_study("s", SPACE, metrics={"acc": "maximize"})
        send.url, send.token = process.url, token
        yield send
        process.stop()

    def test_the_role_decides_which_tools_are_listed_and_callable(self, guarded, over):
        offered = {
            "viewer": READERS,
            "worker": {
                one.name
                for one in OFFERS
                if one.calls <= {call for call, rule in RULES.items() if rule.roles & {Role.WORKER}}
            },
            "editor": {one.name for one in OFFERS},
        }
        assert "queue_trial" not in offered["worker"]
        for role, expected in offered.items():

            async def part(assistant: Assistant, expected: set[str] = expected) -> None:
                assert set(await assistant.tools()) == expected
                if "list_studies" in expected:
                    (listed,) = await assistant.call("list_studies")
                    assert listed["study"] == "s"
                if "queue_trial" not in expected:
                    words = await assistant.refused("queue_trial", study="s", parameters={"rate": 0.1, "kind": "sgd"})
                    assert "Unknown tool" in words

            # Over stdio the client names the project; over HTTP the token does.
            named = "vision" if over is over_stdio else ""
            run(part, over, guarded.url, guarded.token(role), named)

    def test_a_request_without_a_token_or_from_another_site_is_refused(self, guarded):
        hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"accept": "application/json, text/event-stream"}
        assert guarded("POST", "/mcp", hello, **accept).status_code == 200
        assert guarded("POST", "/mcp", hello, **accept, authorization="").status_code == 401
        assert guarded("POST", "/mcp", hello, **accept, origin="http://evil.example").status_code == 403
        assert guarded("GET", "/mcp", **accept).status_code == 405

    def test_there_are_no_sessions(self, guarded):
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        accept = {"accept": "application/json, text/event-stream"}
        assert "mcp-session-id" not in guarded("POST", "/mcp", hello, **accept).headers

    def test_requests_count_for_the_callers_limit(self, tmp_path):
        process = ServerProcess(tmp_path, DODONA_TOKEN=OPERATOR, DODONA_MAX_REQUESTS_PER_SECOND="0.5").start()
        hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {OPERATOR}"}
        try:
            codes = [httpx.post(f"{process.url}/mcp", json=hello, headers=headers).status_code for _ in range(20)]
        finally:
            process.stop()
        assert codes[0] == 200
        assert 429 in codes

    def test_another_project_is_not_there(self, guarded):
        hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        token = guarded.token("viewer")
        headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {token}"}
        assert guarded("POST", "/mcp?project=secret", hello, **headers).status_code == 404

    def test_tools_act_as_the_caller_in_the_audit_log(self, guarded):
        async def part(assistant: Assistant) -> None:
            await assistant.call("pause_study", study="s", reason="look first")
            await assistant.call("resume_study", study="s")

        run(part, over_http, guarded.url, guarded.token("editor"))
        entries = guarded("GET", "/v1/audit?pageSize=10").json()["entries"]
        assert {("pause_study", "vision"), ("resume_study", "vision")} <= {
            (one["action"], one["project"]) for one in entries if "editor" in one["actor"]
        }


def test_an_open_server_answers_only_under_its_own_name(server_url):
    # A page of another site whose name leads here: DNS rebinding.
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"host": "rebound.example", "accept": "application/json, text/event-stream"}
    answer = httpx.post(f"{server_url}/mcp", json=hello, headers=headers)
    assert answer.status_code == 403


def test_a_server_below_a_path_of_a_proxy_names_its_pages(tmp_path):
    process = ServerProcess(tmp_path, DODONA_ROOT_PATH="/dodona").start()
    try:
        dodona.Client(process.url).create_study("s", SPACE, metrics={"acc": "maximize"})

        async def part(assistant: Assistant) -> None:
            state = await assistant.call("summarize_study", study="s")
            assert state["page"] == f"{process.url}/dodona/studies/default/local/s"

        run(part, over_http, f"{process.url}/dodona")
    finally:
        process.stop()


def test_a_client_of_the_newest_protocol_needs_no_handshake(server_url, study):
    async def within() -> None:
        async with Client(f"{server_url}/mcp") as client:
            assert len((await client.list_tools()).tools) == len(OFFERS)
            answered = await client.call_tool("summarize_study", {"study": "digits"})
            assert answered.structured_content["left"]["trials"] == 10

    asyncio.run(within())


def test_many_assistants_at_once_are_all_answered(server_url, study):
    async def within() -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(f"{server_url}/mcp")) for _ in range(30)]
            asked = {"study": "digits", "trial": 2}
            answers = await asyncio.gather(*(client.call_tool("get_trial", asked) for client in clients))
            assert {answer.structured_content["trial"] for answer in answers} == {2}

    asyncio.run(within())
