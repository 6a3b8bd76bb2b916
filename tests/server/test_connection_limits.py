"""How many connections there may be, of one address and of all: over real connections."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dodona_server.api.guard.addresses import address_of
from dodona_server.api.guard.proxies import Proxies
from dodona_server.serving.connections import Limits
from tests.server.raw_connections import GET, ask, call, connect, received, serving, status_of
from tests.support.processes import ServerProcess


def with_descriptors(soft, hard):
    """The command of a server that may have so many descriptors."""
    limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
    return (
        sys.executable,
        "-c",
        limited + "os.execv(sys.executable, [sys.executable, '-m', 'dodona_server', 'serve'])",
    )


class TestCrowds:
    def test_connections_that_send_nothing_lock_nobody_out(self, tmp_path, caplog):
        with serving(tmp_path, Limits(connections=30, of_address=10)) as port:
            crowd = [connect(port) for _ in range(25)]
            assert [ask(port) for _ in range(20)] == [200] * 20
            assert ask(port, "127.0.0.2") == 200
            for connection in crowd:
                connection.close()
        assert "127.0.0.1 has 10 connections, the most that one may have" in caplog.text

    def test_nor_do_those_of_many_addresses(self, tmp_path, caplog):
        with serving(tmp_path, Limits(connections=30, of_address=10)) as port:
            crowd = [connect(port, source=f"127.0.0.{5 + index % 8}") for index in range(60)]
            assert ask(port) == 200
            for connection in crowd:
                connection.close()
        assert "there are 30 connections, the most that this server may have" in caplog.text

    def test_the_oldest_idle_one_goes_before_any_that_is_answered(self, tmp_path):
        with serving(tmp_path, Limits(of_address=3)) as port:
            busy = call(port, "POST", ":lookup", size=10)
            time.sleep(0.2)
            idle = [connect(port) for _ in range(2)]
            for connection in idle:
                connection.sendall(GET + b"\r\n")
                assert status_of(connection.recv(65536)) == 200
            with connect(port) as new:
                new.sendall(GET + b"\r\n")
                assert status_of(new.recv(65536)) == 200
                assert idle[0].recv(10) == b""
                idle[1].sendall(GET + b"\r\n")
                assert status_of(idle[1].recv(65536)) == 200
                busy.sendall(b'{"a": "b"}')
                assert status_of(busy.recv(65536)) == 404
            for connection in (busy, *idle):
                connection.close()

    def test_without_any_idle_one_a_new_one_is_told_to_come_back(self, tmp_path):
        with serving(tmp_path, Limits(of_address=3)) as port:
            busy = [call(port, "POST", ":lookup", size=10) for _ in range(3)]
            time.sleep(0.5)
            with connect(port) as new:
                assert status_of(received(new)) == 503
            assert ask(port, "127.0.0.2") == 200
            for connection in busy:
                connection.close()

    def test_a_proxy_may_have_more_than_one_client(self, tmp_path):
        proxies = Proxies({"FORWARDED_ALLOW_IPS": "10.1.1.1,127.0.0.1"})
        with serving(tmp_path, Limits(of_address=3), proxies.is_proxy) as port:
            busy = [call(port, "POST", ":lookup", size=10) for _ in range(5)]
            time.sleep(0.5)
            assert ask(port) == 200
            for connection in busy:
                connection.close()
        assert not Proxies({}).is_proxy("127.0.0.1")

    @pytest.mark.parametrize(
        ("host", "address"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("", ""),
        ],
    )
    def test_a_network_of_ipv6_is_one_address(self, host, address):
        assert address_of(host) == address

    def test_there_are_descriptors_for_all_of_them(self, tmp_path):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        server = ServerProcess(tmp_path, command=with_descriptors(256, 4096)).start()
        raised = Path(f"/proc/{server.process.pid}/limits").read_text()
        server.stop()
        assert next(line.split()[3:5] for line in raised.splitlines() if "open files" in line) == ["4096", "4096"]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        try:
            assert Limits.of_process() == replace(Limits(), connections=128, of_address=64)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_server_with_few_descriptors_serves_on(self, tmp_path):
        server = ServerProcess(tmp_path, command=with_descriptors(256, 256)).start()
        port = int(server.url.rpartition(":")[2])
        crowd = [connect(port) for _ in range(400)]
        assert ask(port) == 200
        for connection in crowd:
            connection.close()
        server.stop()
        assert "Too many open files" not in server.log.read_text()
