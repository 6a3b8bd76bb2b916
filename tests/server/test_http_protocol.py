"""Answers on a connection, and what a proxy says about its own."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.patience import patience


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
