"""What is written to a connection, and when; and what a proxy tells of its own."""

import asyncio
import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from dodona_server.http_protocol import HELD_BYTES, JoinedWrites
from tests.support.patience import patience


class Written(asyncio.Transport):
    """The end of a connection: each write, as it came."""

    def __init__(self):
        super().__init__()
        self.writes, self.closed = [], False

    def write(self, data):
        assert not self.closed
        self.writes.append(data)

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


def written(scenario):
    """The end of a connection after a scenario, a coroutine function of it and of what joins its writes."""

    async def run():
        end = Written()
        await scenario(end, JoinedWrites(end, asyncio.get_running_loop()))
        return end

    return asyncio.run(run())


def test_a_head_and_its_body_go_out_together():
    async def scenario(end, joined):
        joined.write(b"head ")
        assert end.writes == []
        joined.write(b"body")
        assert end.writes == [b"head body"]
        await asyncio.sleep(0)

    assert written(scenario).writes == [b"head body"]


def test_what_nothing_follows_goes_out_at_the_loops_next_turn():
    async def scenario(_end, joined):
        joined.write(b"one")
        await asyncio.sleep(0)
        joined.write(b"two")
        await asyncio.sleep(0)

    assert written(scenario).writes == [b"one", b"two"]


def test_what_is_long_is_not_held():
    async def scenario(_end, joined):
        joined.write(b"x" * (HELD_BYTES + 1))

    assert [len(write) for write in written(scenario).writes] == [HELD_BYTES + 1]


def test_closing_writes_what_is_held_first():
    async def scenario(_end, joined):
        joined.write(b"last words")
        joined.close()
        assert joined.is_closing()

    assert written(scenario).writes == [b"last words"]


def test_a_client_that_went_meanwhile_is_written_nothing():
    async def scenario(end, joined):
        joined.write(b"never read")
        end.close()
        await asyncio.sleep(0)

    assert written(scenario).writes == []


@pytest.mark.parametrize(("method", "code", "has_body"), [("HEAD", 405, False), ("GET", 200, True)])
def test_a_connection_carries_answers_with_a_body_and_without(server_url, method, code, has_body):
    connection = http.client.HTTPConnection(urlsplit(server_url).netloc, timeout=patience(10))
    for _ in range(2):
        connection.request(method, "/healthz")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (code, has_body)
    connection.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_a_proxy_the_page_tells_the_proxys_address(server_url, scheme):
    page = httpx.get(server_url, headers={"X-Forwarded-Proto": scheme}).text
    assert f"{scheme}://{urlsplit(server_url).netloc}" in page
