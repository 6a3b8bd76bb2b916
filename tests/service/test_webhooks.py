"""What a webhook may be, and where it may not send."""

from __future__ import annotations

import asyncio

import pytest

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.webhook import check_kinds, check_url, pause_after, signature
from dodona_server.service.webhooks.sender import Refused, Sender, _is_public


@pytest.mark.parametrize(
    "url", ["", "ftp://x/y", "https://", "http://u:p@host/", "https://host/a b", "http://[::1/", "x"]
)
def test_a_url_that_is_none(url):
    with pytest.raises(InvalidArgument, match="url: "):
        check_url(url)


def test_a_kind_that_is_none():
    assert check_kinds(["TRIAL_LOST"]) == {"TRIAL_LOST"}
    with pytest.raises(InvalidArgument, match="'LOST' is not one of STUDY_CREATED, "):
        check_kinds(["LOST"])


def test_pauses_grow_to_ten_minutes():
    assert [pause_after(tries) for tries in (1, 2, 3, 50)] == [1.0, 2.0, 4.0, 600.0]


def test_the_signature_covers_time_and_body():
    made = signature("secret", 1000, b"{}")
    assert made == "t=1000,v1=" + made.partition("v1=")[2]
    assert len(made.partition("v1=")[2]) == 64
    assert made not in (signature("secret", 1001, b"{}"), signature("secret", 1000, b"[]"), signature("x", 1000, b"{}"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "::169.254.169.254",
        "fec0::1",
    ],
)
def test_private_addresses_are_none_of_the_public(address):
    assert not _is_public(address)


def test_public_addresses_are():
    assert _is_public("93.184.216.34")
    assert _is_public("2606:2800:220:1::1")
    assert _is_public("64:ff9b::93.184.216.34")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://localhost:9/x", "http://[::1]:9/x", "http://0x7f.1:9/x"]
)
def test_nothing_is_sent_to_a_private_address(url):
    async def send():
        sender = Sender(private=False)
        try:
            await sender.post(url, b"{}", {})
        finally:
            await sender.close()

    with pytest.raises(Refused, match=r"is at the private address .*; see DODONA_WEBHOOKS_TO_PRIVATE|no answer"):
        asyncio.run(send())
