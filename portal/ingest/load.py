"""Loading tables and linking files, in that order."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from django.db import transaction

from portal.ingest import files as linking
from portal.ingest import observations as observation_rows
from portal.ingest import products as product_rows
from portal.ingest import settling, sql
from portal.ingest.problems import refuse
from portal.ingest.report import Progress, Report
from portal.ingest.staging import Staging

# Any number that no other program of this database locks
LOCK = 5_224_407


def load_tables(
    *,
    observations: Path | None = None,
    products: Path | None = None,
    files: Path | str | None = None,
    checksums: bool = False,
    archive: str = "local",
    progress: Progress | None = None,
) -> Report:
    """Load MAST-shaped tables into an archive's catalogue, and link the bytes below the folder `files`.

    Tables are CSV, ECSV, VOTable, FITS, or whatever else astropy.table reads. Either all of both tables is
    loaded or nothing: a bad row raises TableRefused, which lists what is wrong. Loading the same again changes
    nothing. Bytes lie at `files`/<obs_collection>/<obs_id>/<productFilename>; they are looked for of the files
    in the products table, or without one of the whole archive. `files` may also be a prefix of addresses in a remote
    store, `https://…` or `s3://bucket/…`. `checksums` reads them: size, CRC-32, SHA-256.
    `progress` is called with a stage, how much is done and how much there is (0 where that is not known).

    Raises NotADirectoryError when `files` is no folder, and no prefix in a store of REMOTE_STORES; StoreProblem when
    that store does not answer.
    """
    begin = monotonic()
    report = Report()
    tell = progress or _silent
    root = None if files is None else linking.folder(files)
    wanted: Sequence[int] | None = None
    if observations or products:
        wanted = _load(observations, products, archive, report, tell)
    if root or checksums:
        linking.link(archive, root, wanted, checksums=checksums, report=report, progress=tell)
    report.seconds = monotonic() - begin
    return report


def _load(
    observations: Path | None, products: Path | None, archive: str, report: Report, progress: Progress
) -> Sequence[int] | None:
    """Both tables in one transaction. The keys of the files in the products table, None without one."""
    with transaction.atomic():
        sql.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        settling.prepare()
        first = observation_rows.read(observations, progress) if observations else None
        second = product_rows.read(products, progress) if products else None
        refuse(*(staging.problems for staging in (first, second) if staging))
        _merge(first, second, archive, report, progress)
        return sql.numbers("SELECT DISTINCT product_id FROM incoming_row ORDER BY 1") if second else None


def _merge(
    first: Staging | None, second: Staging | None, archive: str, report: Report, progress: Progress
) -> None:
    report.observations_table, report.products_table = bool(first), bool(second)
    for staging in (first, second):
        if staging:
            progress(f"Loading {staging.path.name}", 0, 0)
            report.ignored |= {staging.path.name: staging.ignored} if staging.ignored else {}
    if first:
        observation_rows.merge(first, archive, report)
    if second:
        product_rows.merge(second, archive, report)
    settling.touch_files_of_changed_observations(archive)
    settling.settle_releases(archive)
    report.lists_changed = settling.raise_versions()


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""
