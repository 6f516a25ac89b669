"""`ingest` as an operator types it."""

import io
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from portal.management.commands.ingest import Bar
from portal.models import Observation, Product, StoredFile
from tests.mast_tables import observation, own, product, write

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(*words: str | Path) -> str:
    out = io.StringIO()
    call_command("ingest", *map(str, words), stdout=out)
    return out.getvalue()


def test_it_loads_both_tables_and_the_files_and_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "store" / "JWST" / "jw01_t001" / "jw01_t001_i2d.fits"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 2880)
    said = run(
        "--observations", write(tmp_path / "o.csv", [observation()]),
        "--products", write(tmp_path / "p.csv", [own(), product(), product(obsID="102")]),
        "--files", tmp_path / "store", "--checksums",
    )  # fmt: skip
    assert said.splitlines()[:-1] == [
        "Observations: 1 added, 0 updated, 0 unchanged",
        "Products: 3 rows list 2 distinct files (1 duplicates): 2 added, 0 updated, 0 removed",
        "Product lists changed: 1",
        "Files: 1 with bytes, 1 missing (kept as metadata)",
        "Checksums: 1 computed (2,880 bytes), 0 known before",
    ]
    assert (Observation.objects.count(), Product.objects.count(), StoredFile.objects.count()) == (1, 2, 1)


def test_a_refused_table_is_an_error_with_every_bad_row(tmp_path: Path) -> None:
    table = write(tmp_path / "p.csv", [own(size="big"), product(productType="x")])
    with pytest.raises(CommandError) as error:
        run("--products", table)
    assert str(error.value).splitlines() == [
        "Nothing was loaded. Correct this and run the command again:",
        "p.csv, line 2, size “big”: is not a number. Write a whole number in digits.",
        str(error.value).splitlines()[2],
    ]
    assert str(error.value).splitlines()[2].startswith("p.csv, line 3, productType “x”: is not known.")
    assert error.value.returncode == 1


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(CommandError, match="--observations"):
        run()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a folder"):
        run("--files", tmp_path / "none")


def test_where_nobody_watches_progress_is_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--products", write(tmp_path / "p.csv", [own(f"{n}.fits") for n in range(25_000)]))
    said = capsys.readouterr().err
    assert (said.splitlines()[0], said.splitlines()[-1]) == ("Reading p.csv 10,000", "Loading p.csv")
    assert "\r" not in said


def test_on_a_terminal_progress_is_a_bar_that_is_drawn_over_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(sys.stderr)
    bar("Computing checksums", 5, 10)
    bar("Computing checksums", 10, 10)
    bar.close()
    first, second = terminal.getvalue().removeprefix("\r\x1b[K").removesuffix("\n").split("\r\x1b[K")
    assert first == "Computing checksums [############............] 50% 5 of 10"
    assert second == "Computing checksums [########################] 100% 10 of 10"
