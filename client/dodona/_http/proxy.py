"""Proxy that the environment names for the server, by the usual variables."""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from dataclasses import dataclass, field

import httpx

_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that named it.

    Args:
        url: its address, which may hold a password.
        source: the variable that names it.
    """

    url: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        """Return the proxy without its password: "the proxy http://proxy:3128 from HTTP_PROXY"."""
        parsed = httpx.URL(self.url)
        return f"the proxy {parsed.scheme}://{parsed.netloc.decode()} from {self.source}"

    def transport(self, server: httpx.URL, limits: httpx.Limits) -> httpx.HTTPTransport:
        """Return the transport that sends requests through the proxy.

        Args:
            server: the server's address, for the error.
            limits: of the connections.

        Raises:
            ImportError: httpx needs a package for this kind of proxy; the message names it.
        """
        try:
            return httpx.HTTPTransport(limits=limits, proxy=self.url)
        except ImportError:
            raise ImportError(
                f"{self} needs a package that is not installed: pip install 'httpx[socks]'; "
                f"or set NO_PROXY={server.host} if the server can be reached without the proxy"
            ) from None


def proxy_for(server: httpx.URL) -> Proxy | None:
    """Return the proxy for an address; None for a direct connection.

    Raises:
        ValueError: the environment names something that is not a proxy's address.
    """
    if urllib.request.proxy_bypass(server.netloc.decode()) or _is_exempt(server.host):
        return None
    proxies = urllib.request.getproxies()
    for kind in (server.scheme, "all"):
        if url := proxies.get(kind):
            return _checked(url if "://" in url else f"http://{url}", _source(kind))
    return None


def _checked(url: str, source: str) -> Proxy:
    try:
        scheme, host = httpx.URL(url).scheme, httpx.URL(url).host
    except httpx.InvalidURL:
        scheme, host = "", ""
    if scheme not in _SCHEMES or not host:
        # The message leaves the address out: it may hold a password.
        allowed = ", ".join(f"{one}://" for one in _SCHEMES)
        raise ValueError(f"{source} is not the address of a proxy; write it as in 'http://proxy:3128', with {allowed}")
    return Proxy(url, source)


def _source(kind: str) -> str:
    # The lower-case name comes first, as in urllib.
    named = (name for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY") if os.environ.get(name))
    return next(named, "the system's settings")


def _is_exempt(host: str) -> bool:
    """Return whether NO_PROXY names a network that contains the address, or a domain such as "*.example.com"."""
    entries = [entry.strip() for entry in urllib.request.getproxies().get("no", "").split(",")]
    if any(entry.startswith("*.") and host.endswith(entry[1:]) for entry in entries):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, entries) if network is not None)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
