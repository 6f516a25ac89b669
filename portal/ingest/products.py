"""Merging the rows of a products table into the catalogue: files once, the rows that list them apart.

A table is the complete list of every parent_obsid that it names. Everything happens inside PostgreSQL, so
that more rows cost more time and no more memory.
"""

# ruff: noqa: S608  # names of tables and columns are our own, values are always parameters

from collections.abc import Sequence
from pathlib import Path

from portal.ingest import contradictions, settling, sql
from portal.ingest.columns import PRODUCTS
from portal.ingest.described import describe_parents
from portal.ingest.observations import add_programs
from portal.ingest.report import Progress, Report
from portal.ingest.staging import Staging

# The columns that belong to the file, first those that a basket shows, counts or guards
WEIGHTY = ("size", "productFilename", "productType", "productSubGroupDescription", "dataRights", "proposal_id")
FILE = (*WEIGHTY, "description", "productDocumentationURL", "project")
# The columns that belong to the row
ROW = ("obs_id", "dataproduct_type", "type", "productGroupDescription", "prvversion", "calib_level", "filters")


def read(path: Path, progress: Progress) -> Staging:
    """The table's rows beside the catalogue; its problems are in `problems`."""
    staging = Staging(path, "product", PRODUCTS)
    staging.fill(progress, _complete, extra=[column for column in PRODUCTS if not staging.has(column.name)])
    if not staging.problems.count:
        contradictions.find(staging.name, ["dataURI"], FILE, "file", staging.problems)
        contradictions.find(staging.name, ["parent_obsid", "obsID", "dataURI"], ROW, "row", staging.problems)
    return staging


def merge(staging: Staging, archive: str, report: Report) -> None:
    """Add, update and remove files and rows; what changed is noted in the temporary tables of `settling`."""
    here = {"archive": archive}
    report.rows = staging.rows
    report.observations_from_products = describe_parents(staging.name, here)
    report.files = _gather_files(here)
    report.files_added = _add_files(here)
    sql.analyze("portal_observation", "portal_product")
    report.files_updated = _update_files(here)
    _gather_rows(here)
    _remove_rows()
    _write_rows()
    sql.analyze("portal_membership")
    report.files_removed = settling.forget_unlisted()
    settling.settle_folders()
    add_programs(staging.name)


def _complete(places: Sequence[int], columns: dict[str, list[object]]) -> None:
    """Blank for the columns that the table does not have; without a parent, a row is its owner's."""
    for column in PRODUCTS:
        if column.name not in columns:
            columns[column.name] = ["" if column.sql == "text" else None] * len(places)
    columns["parent_obsid"] = [
        parent or owner for parent, owner in zip(columns["parent_obsid"], columns["obsID"], strict=True)
    ]


def _gather_files(here: dict[str, str]) -> int:
    """Each file once, with the first observation that lists it; how many there are."""
    # Its rows agree in these, but for a size that only some of them know
    agreed = ", ".join(f'max(i."{name}") AS "{name}"' for name in FILE)
    return sql.temporary(
        "incoming_file",
        f"""
        SELECT i."dataURI", {agreed}, min(o.id) AS first_observation,
            min(i.obs_id COLLATE "C") AS obs_id, min(i.obs_collection COLLATE "C") AS obs_collection
        FROM incoming_product i JOIN portal_observation o ON o.archive = %(archive)s AND o.obsid = i.parent_obsid
        GROUP BY 1""",
        here,
    )


def _add_files(here: dict[str, str]) -> int:
    """New files get consecutive keys within an observation: sets of them are then small in a basket."""
    return sql.execute(
        f"""
        INSERT INTO portal_product (archive, "dataURI", obs_collection, obs_id, {sql.listed(FILE)})
        SELECT %(archive)s, f."dataURI", f.obs_collection, f.obs_id, {sql.listed(FILE, "f")}
        FROM incoming_file f
        WHERE NOT EXISTS (
            SELECT FROM portal_product p WHERE p.archive = %(archive)s AND p."dataURI" = f."dataURI")
        ORDER BY f.first_observation, f.obs_id COLLATE "C", f."productFilename" COLLATE "C", f."dataURI"
        """,
        here,
    )


def _update_files(here: dict[str, str]) -> int:
    """A measured size stands against what any table says; a blank one takes nothing away."""
    rest = sql.listed(FILE[1:], "f")
    weighty = sql.listed(WEIGHTY[1:], "f")
    count = sql.temporary(
        "changing_file",
        f"""
        SELECT p.id, new.size, {rest},
            ROW(p.size, {sql.listed(WEIGHTY[1:], "p")}) IS DISTINCT FROM ROW(new.size, {weighty}) AS weighty
        FROM incoming_file f
        JOIN portal_product p ON p.archive = %(archive)s AND p."dataURI" = f."dataURI"
        LEFT JOIN portal_storedfile s ON s.product_id = p.id AND s.crc32 IS NOT NULL
        CROSS JOIN LATERAL (SELECT coalesce(s.size, f.size, p.size) AS size) new
        WHERE ROW({sql.listed(FILE, "p")}) IS DISTINCT FROM ROW(new.size, {rest})""",
        here,
    )
    sql.execute(
        f"UPDATE portal_product p SET ({sql.listed(FILE)}) = ROW({sql.listed(FILE, 'c')}) "
        "FROM changing_file c WHERE c.id = p.id"
    )
    sql.execute("INSERT INTO changed_file SELECT id FROM changing_file WHERE weighty")
    return count


def _gather_rows(here: dict[str, str]) -> None:
    """Each row once, by the keys that it joins."""
    agreed = ", ".join(f'min(i."{name}") AS "{name}"' for name in ROW)
    sql.temporary(
        "incoming_row",
        f"""
        SELECT o.id AS observation_id, p.id AS product_id, i."obsID", {agreed},
            min(i.obs_collection COLLATE "C") AS obs_collection, min(i.place) AS place
        FROM incoming_product i
        JOIN portal_observation o ON o.archive = %(archive)s AND o.obsid = i.parent_obsid
        JOIN portal_product p ON p.archive = %(archive)s AND p."dataURI" = i."dataURI"
        GROUP BY 1, 2, 3""",
        here,
    )
    sql.execute("INSERT INTO touched_file SELECT DISTINCT product_id FROM incoming_row")


def _remove_rows() -> None:
    """The rows that the table does not have any more, of the observations that it names."""
    sql.execute(
        """
        WITH gone AS (
            DELETE FROM portal_membership m
            WHERE m.observation_id IN (SELECT observation_id FROM incoming_row)
                AND NOT EXISTS (
                    SELECT FROM incoming_row r WHERE r.observation_id = m.observation_id
                        AND r.product_id = m.product_id AND r."obsID" = m."obsID")
            RETURNING m.observation_id, m.product_id)
        INSERT INTO removed_row SELECT observation_id, product_id FROM gone"""
    )
    sql.execute("INSERT INTO changed_list SELECT observation_id FROM removed_row")
    sql.execute("INSERT INTO touched_file SELECT product_id FROM removed_row")


def _write_rows() -> None:
    """The rows that are new or say something else than before."""
    sql.execute(
        f"""
        WITH done AS (
            INSERT INTO portal_membership (observation_id, product_id, "obsID", {sql.listed(ROW)})
            SELECT r.observation_id, r.product_id, r."obsID", {sql.listed(ROW, "r")}
            FROM incoming_row r
            LEFT JOIN portal_membership m
                ON m.observation_id = r.observation_id AND m."obsID" = r."obsID" AND m.product_id = r.product_id
            WHERE m.id IS NULL OR ROW({sql.listed(ROW, "m")}) IS DISTINCT FROM ROW({sql.listed(ROW, "r")})
            ORDER BY r.place
            ON CONFLICT (observation_id, "obsID", product_id)
                DO UPDATE SET ({sql.listed(ROW)}) = ROW({sql.listed(ROW, "excluded")})
            RETURNING observation_id)
        INSERT INTO changed_list SELECT DISTINCT observation_id FROM done"""
    )
