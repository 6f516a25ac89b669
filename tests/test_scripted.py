"""The script of a retrieval: what stands in it, what its numbers mean, and that it fetches what it promises."""

import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from basket.models import Basket
from portal.models import Grant, Program
from retrieval import accounting, history, plan, scripted
from retrieval.models import Method, Phase, Retrieval
from retrieval.scripts import EMITTERS
from retrieval.scripts.entry import Entry
from tests.downloads import freeze, settled, url_of
from tests.small_archive import SmallArchive, fill, law, path_of
from tests.tools import files_below, tool
from tests.web_server import WebServer, serving, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def site(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with serving(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> SmallArchive:
    return SmallArchive(tmp_path / "archive")


def entries(retrieval: Retrieval) -> list[Entry]:
    return list(scripted.entries_of(retrieval, timezone.now()))


def scripting(archive: SmallArchive, user: User, script: str = "bash") -> Retrieval:
    return freeze(archive, user, method=Method.SCRIPT, script=script)


def text_of(retrieval: Retrieval) -> str:
    header = scripted.header_of(retrieval, timezone.now())
    return "".join(EMITTERS[retrieval.script].lines(header, entries(retrieval)))


def test_each_file_has_its_address_its_place_and_what_is_known_of_it(archive: SmallArchive, alice: User) -> None:
    product = archive.file("jw1 a&b_i2d.fits", b"x" * 1000)
    retrieval = scripting(archive, alice)
    assert (retrieval.method, retrieval.script, retrieval.phase) == ("script", "bash", Phase.QUEUED)
    assert entries(retrieval) == [
        Entry(
            url=f"{SITE}/api/v0.1/Download/file?uri=mast:JWST/product/jw1%20a%26b_i2d.fits",
            uri=product.dataURI,
            path="JWST/jw1/jw1 a&b_i2d.fits",
            size=1000,
            sha256=product.stored.sha256,
        )
    ]
    header = scripted.header_of(retrieval, timezone.now())
    assert (header.name, header.user, header.files, header.bytes) == (retrieval.name, "alice", 1, 1000)
    assert (header.origins, header.protected, header.unknown_sizes) == ((SITE,), 0, 0)
    assert header.pack == f"{SITE}/api/v1/retrievals/pack"


def test_a_script_has_all_files_and_the_database_tells_whose_they_are(archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    archive.exclusive("jw1_cal.fits", b"secret")
    archive.listing("jw1_lost.fits", None)
    retrieval = scripting(archive, alice)
    law(retrieval)
    assert (retrieval.pending, retrieval.denied, retrieval.failed) == (1, 1, 1)
    exclusive, plain, lost = entries(retrieval)
    assert (plain.protected, exclusive.protected, lost.protected) == (False, True, False)
    assert (str(exclusive.public_on), exclusive.access) == ("2027-03-01", "EXCLUSIVE_ACCESS")
    assert (exclusive.sha256, lost.size) == ("", None)
    header = scripted.header_of(retrieval, timezone.now())
    assert (header.files, header.protected, header.unknown_sizes) == (3, 1, 1)
    told = (
        "1 of 3 files can be fetched with the script; 1 is exclusive until 2027-03-01, and in the script for those"
    )
    assert history.headline(retrieval).startswith(told)


def test_a_file_read_by_a_grant_is_yours_and_needs_your_token(archive: SmallArchive, alice: User) -> None:
    program = Program.objects.create(obs_collection="JWST", proposal_id="1234")
    Grant.objects.create(program=program, user=alice)
    archive.exclusive("jw1_cal.fits", b"secret")
    retrieval = scripting(archive, alice)
    assert (retrieval.pending, retrieval.denied) == (1, 0)
    (entry,) = entries(retrieval)
    assert entry.protected
    assert entry.sha256


def test_a_file_that_has_become_public_needs_no_token_any_more(archive: SmallArchive, alice: User) -> None:
    archive.exclusive("jw1_cal.fits")
    retrieval = scripting(archive, alice)
    (entry,) = scripted.entries_of(retrieval, datetime(2027, 3, 2, tzinfo=UTC))
    assert not entry.protected


def test_scripts_have_no_limit_of_bytes_and_need_no_reading(
    archive: SmallArchive, alice: User, settings: Settings
) -> None:
    settings.STREAM_LIMIT_BYTES = 10
    archive.file("jw1_i2d.fits", b"x" * 1000, measured=False)
    retrieval = scripting(archive, alice)
    assert history.is_ready(retrieval)
    assert (retrieval.bytes, retrieval.length) == (1000, None)
    law(retrieval)


def test_a_script_of_nothing_but_exclusive_files_can_be_had(archive: SmallArchive, alice: User) -> None:
    archive.exclusive("jw1_cal.fits")
    retrieval = scripting(archive, alice)
    assert history.is_ready(retrieval)
    accounting.handed_over(retrieval.pk, timezone.now())
    law(retrieval)
    assert (retrieval.phase, retrieval.denied, retrieval.delivered) == (Phase.COMPLETED, 1, 0)


@pytest.mark.parametrize("script", sorted(EMITTERS))
def test_a_script_is_handed_out_whole_and_its_files_are_then_delivered(
    site: WebServer, archive: SmallArchive, alice: User, script: str
) -> None:
    archive.file("jw1_i2d.fits")
    archive.exclusive("jw1_cal.fits")
    retrieval = scripting(archive, alice, script)
    cookie, extension = signed_in(alice), EMITTERS[script].extension
    answer, opened = site.ask(url_of(retrieval), cookie, method="HEAD")
    assert (answer.status, answer.read()) == (200, b"")
    opened.close()
    assert Retrieval.objects.get().phase == Phase.QUEUED
    answer, opened = site.ask(url_of(retrieval), cookie)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{retrieval.name}.{extension}"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert b"mast:JWST/product/jw1_i2d.fits" in answer.read()
    opened.close()
    settled(retrieval, Phase.COMPLETED)
    assert (retrieval.delivered, retrieval.denied) == (1, 1)


def test_a_script_whose_client_goes_is_not_delivered(archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    retrieval = scripting(archive, alice)

    async def read(answer: HttpResponseBase, pieces: int) -> bytes:
        assert isinstance(answer, StreamingHttpResponse)
        stream = cast("AsyncGenerator[bytes]", answer.streaming_content)
        read = b"".join([await anext(stream, b"") for _ in range(pieces)])
        await stream.aclose()
        return read

    assert asyncio.run(read(scripted.respond(retrieval, timezone.now()), 1)).startswith(b"#!/bin/sh")
    retrieval.refresh_from_db()
    assert (retrieval.phase, retrieval.delivered) == (Phase.QUEUED, 0)
    assert asyncio.run(read(scripted.respond(retrieval, timezone.now()), 2)).endswith(b"#E 1\n")
    law(retrieval)
    assert (retrieval.phase, retrieval.delivered) == (Phase.COMPLETED, 1)


def test_a_cancelled_script_is_no_longer_given(client: Client, archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    client.force_login(alice)
    retrieval = accounting.cancel(scripting(archive, alice), timezone.now())
    answer = client.get(url_of(retrieval))
    assert answer.status_code == 409
    assert "can retrieve the same files again" in answer.content.decode()


def test_a_script_again_is_the_same_kind_of_script(archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    old = scripting(archive, alice)
    assert plan.again(old, alice, timezone.now()).script == "bash"


def test_the_page_says_how_a_script_is_run(client: Client, archive: SmallArchive, alice: User) -> None:
    archive.file("jw1_i2d.fits")
    fill(Basket.objects.create(key=f"owner:{alice.pk}", owner=alice), archive)
    client.force_login(alice)
    page = client.post("/retrieval/", {"method": "script", "script": "bash"}, follow=True)
    retrieval = Retrieval.objects.get()
    assert page.redirect_chain == [(f"/retrieval/{retrieval.pk}/?start=1", 303)]
    assert f"bash {retrieval.name}.sh" in page.content.decode()


def run(script: str, folder: Path, *options: str) -> tuple[int, str, dict[str, bytes]]:
    """Run the bash script; its exit code, its words and the files that it leaves."""
    folder.mkdir(exist_ok=True)
    (folder / "script").write_text(script)
    command = [tool("bash"), "script", "--quiet", *options]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    (below,) = [path for path in folder.iterdir() if path.is_dir()]
    return done.returncode, done.stdout + done.stderr, files_below(below)


def test_the_script_fetches_what_the_basket_held(
    site: WebServer, archive: SmallArchive, alice: User, settings: Settings, tmp_path: Path
) -> None:
    settings.SITE_URL = site.url
    wanted = {f"JWST/jw1/jw1_{number}.fits": bytes([number]) * (number * 700) for number in range(1, 30)}
    for path, data in wanted.items():
        archive.file(Path(path).name, data)
    large = archive.file("jw1_large.fits", b"large" * 1_000_000)
    archive.exclusive("jw1_cal.fits", b"secret")
    path_of(archive.file("jw1_lost.fits", b"gone")).unlink()
    retrieval = scripting(archive, alice)
    code, said, files = run(text_of(retrieval), tmp_path / "here")
    manifests = [files.pop(name) for name in ("MANIFEST.HTML", "MANIFEST.json", "SHA256SUMS")]
    assert files == wanted | {f"JWST/jw1/{large.productFilename}": b"large" * 1_000_000}
    assert "requested 32 = delivered 30 + denied 1 + failed 1 + skipped 0" in said
    assert code == 1
    assert b"2027-03-01" in manifests[0]


def test_small_files_travel_together(
    site: WebServer, archive: SmallArchive, alice: User, settings: Settings, tmp_path: Path
) -> None:
    """What no single request can give comes all the same: the addresses of single files lead nowhere."""
    settings.SITE_URL = site.url
    wanted = {f"JWST/jw1/jw1_{number}.fits": b"x" * number for number in range(1, 200)}
    for path, data in wanted.items():
        archive.file(Path(path).name, data)
    script = re.sub(r"(?m)^(#U \d+ \S+)/Download/file", r"\1/nothing/here", text_of(scripting(archive, alice)))
    code, said, files = run(script, tmp_path / "here")
    assert (code, wanted.items() - files.items()) == (0, set()), said
