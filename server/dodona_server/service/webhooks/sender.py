"""Sends a request to an address that somebody else chose: only to public ones, and to the one that was checked."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 5.0
MAX_PROBLEM_LENGTH = 200
# All public addresses of IPv6 (RFC 4291), and those that a network translates to IPv4 (RFC 6052).
_UNICAST = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """The request was not sent; the message says why."""


class Sender:
    """Sends requests.

    Args:
        private: whether addresses of private networks are allowed.
    """

    def __init__(self, *, private: bool) -> None:
        self._private = private

    @functools.cached_property
    def _client(self) -> httpx.AsyncClient:
        # With the first request: most servers have no webhooks, and this and its certificates take a tenth of a second.
        import httpx

        # No proxy, and no redirect to an address that was not checked.
        return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a request, and return the status of the answer; its content is not read.

        Raises:
            Refused: the address is a private one, or there is no answer.
        """
        import httpx

        target = httpx.URL(url)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                address = await self._address(target)
                # To the address that was checked: the name may have another one by now.
                request = self._client.build_request(
                    "POST",
                    target.copy_with(host=address),
                    content=body,
                    headers={**headers, "Host": target.netloc.decode()},
                    extensions={"sni_hostname": target.host},
                )
                answer = await self._client.send(request, stream=True)
                await answer.aclose()
                return answer.status_code
        except TimeoutError:
            raise Refused(f"no answer in {TIMEOUT_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Refused(f"no answer: {str(error) or type(error).__name__}"[:MAX_PROBLEM_LENGTH]) from error

    async def tried(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Send a request, and return the status of the answer; or else 0 and the problem."""
        try:
            return await self.post(url, body, headers), ""
        except Refused as error:
            return 0, str(error)

    async def _address(self, url: httpx.URL) -> str:
        """Return an address of the host.

        Raises:
            Refused: one of its addresses is private.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        for address in addresses:
            if not self._private and not _is_public(address):
                raise Refused(f"{url.host} is at the private address {address}; see DODONA_WEBHOOKS_TO_PRIVATE")
        return addresses[0]

    async def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):  # else there were no requests
            await self._client.aclose()


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # Addresses of IPv4 in another form, also for a translator of the network.
        address = address.ipv4_mapped or address.sixtofour or _translated(address) or address
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) % 2**32) if address in _TRANSLATED else None
