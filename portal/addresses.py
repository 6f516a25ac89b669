"""The address of whoever asks, also behind proxies; only a proxy of ours is believed when it names somebody else."""

import ipaddress
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(remote: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """`remote`: the other end of the connection; `forwarded`: the header X-Forwarded-For.

    Each proxy appends who asked it, so the list is read from its end, as far as those who wrote it are trusted.
    What no trusted proxy wrote is the sender's invention.
    """
    found = remote
    for name in reversed([item.strip() for item in forwarded.split(",")]):
        if not is_among(found, trusted):
            return found
        if not _is_address(name):
            return found
        found = name
    return found


def is_among(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of these networks."""
    if not _is_address(address):
        return False
    one = ipaddress.ip_address(address)
    return any(one.version == network.version and one in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
