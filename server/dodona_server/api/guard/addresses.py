"""Address by which limits count a client."""

from __future__ import annotations

import functools
import ipaddress


@functools.lru_cache(4096)
def address_of(host: str) -> str:
    """Return the address that counts as one client: IPv4, or the /64 network that one IPv6 client usually has."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv4Address):
        return host
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip.packed[:8] + bytes(8), 64)))
