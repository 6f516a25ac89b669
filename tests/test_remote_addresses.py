"""Which addresses may be asked for: those of the configured stores, however an address is spelt or led elsewhere."""

import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from portal.env import EnvironmentProblem, endpoint, stores
from portal.remote import wire
from portal.remote.addresses import Address, Keys, Stores, is_remote, parsed
from portal.remote.limits import Limits
from portal.remote.measuring import look_at
from portal.remote.problems import StoreProblem
from portal.remote.signing import signed
from tests.hostile_store import HostileStore, Reply, hostile_store
from tests.tools import tool

NO_KEYS = Keys("", "", "us-east-1")
ONCE = Limits(seconds=20, attempts=1, requests=1, bytes=1 << 20)
PREFIXES = ["https://data.example.org/archive/", "http://mast.example/Download/file", "s3://bucket/jwst"]
ALLOWED = [
    "https://data.example.org/archive/JWST/jw1/a.fits",
    "https://DATA.example.org:443/archive/a%20b.fits",
    "https://data.example.org/archive/a..b/c.fits",
    "http://mast.example/Download/file?uri=mast:JWST/product/a.fits",
    "http://mast.example:80/Download/file",
    "s3://bucket/jwst/jw1/a.fits",
    "s3://bucket/jwst/a b?c#d.fits",
]
FORBIDDEN = [
    "https://data.example.org/",
    "https://data.example.org/archive",
    "https://data.example.org/archives/a.fits",
    "http://data.example.org/archive/a.fits",
    "https://data.example.org:8443/archive/a.fits",
    "https://data.example.org:0/archive/a.fits",
    "https://data.example.org:99999/archive/a.fits",
    "https://data.example.org./archive/a.fits",
    "https://data.example.org.evil.example/archive/a.fits",
    "https://evil.example/archive/a.fits",
    "https://evil.example/https://data.example.org/archive/a.fits",
    "https://data.example.org@evil.example/archive/a.fits",
    "https://data.example.org:secret@evil.example/archive/a.fits",
    "https://user@data.example.org/archive/a.fits",
    "https://data.example.org\\@evil.example/archive/a.fits",
    "https://evil.example\\data.example.org/archive/a.fits",
    "https://evil.example#data.example.org/archive/a.fits",
    "https://data.example.org#/archive/a.fits",
    "https://data.example.org/archive/a.fits#x",
    "https://data.example.org/archive/../secret",
    "https://data.example.org/archive/./a.fits",
    "https://data.example.org/archive/%2e%2e/secret",
    "https://data.example.org/archive/%2E%2E%2Fsecret",
    "https://data.example.org/archive/%252e%252e/secret",
    "https://data.example.org/archive/%25252525252e%25252525252e/secret",
    "https://data.example.org/archive/..\\secret",
    "https://data.example.org/archive/..%5csecret",
    "https://data.example.org/archive/..;/secret",
    "https://data.example.org/archive/a b",
    "https://data.example.org/archive/a\r\nHost: evil.example",
    "https://data.example.org/archive/a\tb",
    "https://data.example.org/archive/a\0",
    "https://data.example.org/archive/\u212b",
    "https://ｄata.example.org/archive/a.fits",
    "https:data.example.org/archive/a.fits",
    "https:///data.example.org/archive/a.fits",
    "//data.example.org/archive/a.fits",
    "HTTPS//data.example.org/archive/a.fits",
    "https://[data.example.org]/archive/a.fits",
    "https://[::1/archive/a.fits",
    "https://127.0.0.1/archive/a.fits",
    "https://2130706433/archive/a.fits",
    "https://0x7f000001/archive/a.fits",
    "https://0177.0.0.1/archive/a.fits",
    "https://127.1/archive/a.fits",
    "https://[::ffff:127.0.0.1]/archive/a.fits",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://mast.example/Download/files",
    "http://mast.example/Download/file/../../secret",
    "http://mast.example/Download/file@evil.example",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "gopher://data.example.org/archive/a.fits",
    "ftp://data.example.org/archive/a.fits",
    "data:text/plain,x",
    "jar:https://data.example.org/archive/!/a",
    "",
    "https://",
    "s3://",
    "s3://bucket",
    "s3://bucket/jwst-secret/a.fits",
    "s3://bucket/jwst/../secret",
    "s3://bucket/jwst/%2e%2e/secret",
    "s3://bucket/jwst/..%2fsecret",
    "s3://bucket/jwst/a\nb",
    "s3://bucket2/jwst/a.fits",
    "s3:///jwst/a.fits",
    "s3:/bucket/jwst/a.fits",
    "S3://bucket/jwst/a.fits",
]


@pytest.fixture
def store(settings: Settings) -> Iterator[HostileStore]:
    with hostile_store() as running:
        settings.REMOTE_STORES = [running.url]
        yield running


@pytest.mark.parametrize("source", ALLOWED)
def test_what_lies_in_a_store_may_be_asked_for(source: str) -> None:
    assert is_remote(source)
    assert Stores(PREFIXES, keys=NO_KEYS).target(source).address.host in {
        "data.example.org", "mast.example", "s3.us-east-1.amazonaws.com",
    }  # fmt: skip


@pytest.mark.parametrize("source", FORBIDDEN)
def test_nothing_else_may_be_asked_for(source: str) -> None:
    with pytest.raises(StoreProblem):
        Stores(PREFIXES, keys=NO_KEYS).target(source)
    inside = Stores(PREFIXES, keys=NO_KEYS).target(ALLOWED[0])
    if "://" in source.rstrip("/"):  # the others are paths, seen from where they are said
        with pytest.raises(StoreProblem, match="redirects to"):
            Stores(["https://data.example.org/archive/JWST/"], keys=NO_KEYS).redirected(inside, source)


@given(st.text(st.sampled_from("abc./\\%25e@:#?;&[] \u212b\0"), max_size=40))
def test_an_address_that_is_let_through_leads_to_the_store(rest: str) -> None:
    try:
        target = Stores(["https://data.example.org/archive/"], keys=NO_KEYS).target(
            f"https://data.example.org{rest}"
        )
    except StoreProblem:
        return
    assert (target.address.scheme, target.address.host, target.address.port) == ("https", "data.example.org", 443)
    assert target.address.path.startswith("/archive/")
    assert ".." not in target.address.path.split("?")[0].split("/")


def test_without_a_configured_store_nothing_is_read(settings: Settings) -> None:
    settings.REMOTE_STORES = []
    with pytest.raises(StoreProblem, match="is in no store that the archive may read from"):
        look_at("http://127.0.0.1:1/f", ONCE)


def test_a_redirect_out_of_the_stores_is_not_followed(store: HostileStore) -> None:
    with hostile_store() as other:
        there = other.put("secret", b"x")
        url = store.put("f", b"x")
        store.heads["/f"] = Reply(status=302, headers={"Location": there})
        with pytest.raises(StoreProblem, match="redirects to"):
            look_at(url, ONCE)
        assert other.asked == []


def test_a_name_that_leads_to_a_private_address_is_refused_unless_it_is_configured(
    store: HostileStore, settings: Settings
) -> None:
    store.put("f", b"x")
    url = f"http://localhost:{store.port}/"
    settings.REMOTE_STORES = [url]
    with pytest.raises(StoreProblem, match="has a private address"):
        look_at(f"{url}f", ONCE)
    assert store.asked == []
    settings.REMOTE_PRIVATE_HOSTS = ["localhost"]
    assert look_at(f"{url}f", ONCE).size == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("127.0.0.1", False), ("10.0.0.1", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("0.0.0.0", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_private_addresses_are_told_from_public_ones(address: str, public: bool) -> None:
    assert wire.is_public(address) is public


def test_keys_are_sent_to_s3_alone(store: HostileStore, settings: Settings) -> None:
    settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = "tester", "secret-of-s3"
    look_at(store.put("f", b"x"), ONCE)
    assert "authorization" not in store.asked[0].headers
    settings.S3_ENDPOINT_URL = f"http://127.0.0.1:{store.port}"
    settings.REMOTE_STORES = ["s3://bucket/", store.url]
    store.put("bucket/key", b"x")
    look_at("s3://bucket/key", ONCE)
    assert store.asked[1].headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=tester/")
    store.heads["/bucket/key"] = Reply(status=302, headers={"Location": "/f"})
    look_at("s3://bucket/key", ONCE)
    assert store.asked[3].path == "/f"
    assert "authorization" not in store.asked[3].headers
    assert not any("secret-of-s3" in str(one) for one in store.asked)


def test_a_signature_is_amazons() -> None:
    """The first example of "Authenticating Requests: Using the Authorization Header", GET Object."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    address = Address("https", "examplebucket.s3.amazonaws.com", 443, "/test.txt")
    headers = signed("GET", address, {"Range": "bytes=0-9"}, keys, datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_signature_covers_a_query() -> None:
    """The example "GET Bucket (List Objects)" of the same page."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    address = Address("https", "examplebucket.s3.amazonaws.com", 443, "/?prefix=J&max-keys=2")
    headers = signed("GET", address, {}, keys, datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["Authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_a_key_of_s3_is_spelt_on_the_wire_as_it_is_signed() -> None:
    stores_ = Stores(["s3://bucket/"], s3_endpoint="https://s3.example.org:9000/base", keys=NO_KEYS)
    target = stores_.target("s3://bucket/a b/ü+%20?.fits")
    assert str(target.address) == "https://s3.example.org:9000/base/bucket/a%20b/%C3%BC%2B%2520%3F.fits"
    assert (target.label, target.keys) == ("s3://bucket", None)


@pytest.mark.parametrize(
    "prefix", ["data.example.org", "ftp://x/", "https://", "s3://", "https://u:p@h/", "https://h/../"]
)
def test_a_malformed_store_stops_the_start(prefix: str) -> None:
    with pytest.raises(EnvironmentProblem, match=r"REMOTE_STORES=.*For example"):
        stores([prefix])
    with pytest.raises(EnvironmentProblem, match=r"S3_ENDPOINT_URL=.*For example"):
        endpoint(prefix)


def test_well_formed_settings_are_kept() -> None:
    assert stores(PREFIXES) == PREFIXES
    assert (endpoint(""), endpoint("https://s3.example.org")) == ("", "https://s3.example.org/")
    assert parsed("https://[2001:db8::1]:8443/x").authority == "[2001:db8::1]:8443"


def test_https_is_read_only_from_who_can_prove_its_name(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words, *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    settings.REMOTE_PRIVATE_HOSTS = ["localhost"]
    with hostile_store(context) as running:
        running.put("f", b"x")
        url = f"https://localhost:{running.port}/"
        settings.REMOTE_STORES = [url, f"https://127.0.0.1:{running.port}/"]
        with pytest.raises(StoreProblem, match="could not prove who it is"):
            look_at(f"{url}f", ONCE)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        wire.trust.cache_clear()
        assert look_at(f"{url}f", ONCE).size == 1
        with pytest.raises(StoreProblem, match="could not prove who it is"):
            look_at(f"https://127.0.0.1:{running.port}/f", ONCE)
    wire.trust.cache_clear()
