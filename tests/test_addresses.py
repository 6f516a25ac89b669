"""Whose address it is that asks: a proxy of ours is believed, nobody else."""

from ipaddress import ip_network

import pytest

from portal.addresses import client_address
from portal.env import EnvironmentProblem, networks

OURS = [ip_network("10.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", "1.1.1.1, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("::1", "2001:db8::5", "2001:db8::5"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "unknown, <script>", "10.1.1.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_list_is_read_from_its_end_as_far_as_it_is_trusted(remote: str, forwarded: str, found: str) -> None:
    assert client_address(remote, forwarded, OURS) == found


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address("127.0.0.1", "198.51.100.7", []) == "127.0.0.1"


def test_a_malformed_network_stops_the_start() -> None:
    assert [str(network) for network in networks(["127.0.0.1", "10.0.0.1/8"])] == ["127.0.0.1/32", "10.0.0.0/8"]
    with pytest.raises(EnvironmentProblem, match="TRUSTED_PROXIES"):
        networks(["nginx"])
