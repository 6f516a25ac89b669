"""Merging the rows of an observations table into the catalogue.

Columns that a table does not have are left as they are, so that a short table never takes away what is known.
"""

# ruff: noqa: S608  # names of tables and columns are our own, values are always parameters

from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from portal.archives.base import OBSERVATION_COLUMNS
from portal.ingest import contradictions, sql
from portal.ingest.columns import OBSERVATIONS
from portal.ingest.report import Progress, Report
from portal.ingest.staging import Staging
from portal.sky import SkyIndex, footprint_of, sky_columns

CHUNK = 5_000
SKY = tuple(SkyIndex.__dataclass_fields__)

# MAST gives one row for each plane of an observation in some services: GALEX has one for FUV and one for NUV
# under one obsid, told apart by objID. Where they differ in these columns, the observation is all of them.
STRICTEST = (
    "(array_agg({0} ORDER BY array_position(ARRAY['RESTRICTED', 'EXCLUSIVE_ACCESS', 'PUBLIC', ''], {0})))[1]"
)
JOINED = "left(coalesce(string_agg(DISTINCT nullif({0}, ''), ';'), ''), 255)"
PLANES = {
    "objID": 'min({0} COLLATE "C")',
    "filters": JOINED,
    "em_min": "min({0})",
    "em_max": "max({0})",
    "t_min": "min({0})",
    "t_max": "max({0})",
    "t_exptime": "max({0})",
    "t_obs_release": "max({0})",
    "calib_level": "max({0})",
    "dataRights": STRICTEST,
}


def read(path: Path, progress: Progress) -> Staging:
    """The table's rows beside the catalogue; its problems are in `problems`."""
    staging = Staging(path, "observation", OBSERVATIONS)
    if {"dataURI", "productFilename"} <= set(staging.ignored):
        staging.problems.add(0, "", "", "this is a table of products: it has dataURI. Give it with --products.")
    staging.fill(progress, lambda places, columns: _positions_whole(staging, places, columns))
    if not staging.problems.count:
        _check(staging)
    return staging


def merge(staging: Staging, archive: str, report: Report) -> None:
    """Add and update the observations; index their footprints; note them in changed_observation."""
    names = [column.name for column in staging.columns]
    sql.temporary(
        "merged_observation",
        f"SELECT min(place) AS place, {', '.join(map(_merged, names))} FROM incoming_observation GROUP BY obsid",
    )
    report.observations_added = _insert(names, archive)
    report.observations_updated = _update([name for name in names if name != "obsid"], archive)
    known = sql.number("SELECT count(*) FROM merged_observation")
    report.observations_unchanged = known - report.observations_added - report.observations_updated
    if staging.has("proposal_id"):
        add_programs("incoming_observation")
    index_footprints("SELECT id FROM changed_observation")


def add_programs(table: str) -> None:
    """Make a Program of every mission and proposal in the temporary table."""
    sql.execute(
        "INSERT INTO portal_program (obs_collection, proposal_id) "
        f"SELECT DISTINCT obs_collection, proposal_id FROM {table} WHERE proposal_id <> '' ON CONFLICT DO NOTHING"
    )


def index_footprints(chosen: str) -> None:
    """Fill the sky index of the observations whose keys `chosen` gives, from s_region or the position."""
    columns = ", ".join(f"{name} {'integer' if name in {'size_class', 'dec_zone'} else 'float8'}" for name in SKY)
    sql.execute("DROP TABLE IF EXISTS placed_observation")
    sql.execute(f"CREATE TEMPORARY TABLE placed_observation (id bigint, {columns}) ON COMMIT DROP")
    with connection.chunked_cursor() as rows:
        rows.execute(f"SELECT id, s_region, s_ra, s_dec FROM portal_observation WHERE id IN ({chosen})")
        while some := rows.fetchmany(CHUNK):
            _place(some)
    sql.execute(
        f"UPDATE portal_observation o SET {', '.join(f'{name} = p.{name}' for name in SKY)} "
        "FROM placed_observation p WHERE p.id = o.id"
    )


def _positions_whole(staging: Staging, places: Sequence[int], columns: dict[str, list[object]]) -> None:
    """A position needs both coordinates."""
    nothing: list[object] = [None] * len(places)
    pairs = zip(places, columns.get("s_ra", nothing), columns.get("s_dec", nothing), strict=True)
    for place, ra, dec in pairs:
        if (ra is None) != (dec is None):
            name, other = ("s_dec", "s_ra") if dec is None else ("s_ra", "s_dec")
            staging.problems.add(place, name, "", f"is blank beside {other}. Write both in degrees, or neither.")


def _check(staging: Staging) -> None:
    names = [column.name for column in staging.columns if column.name != "obsid"]
    common = [name for name in names if name not in PLANES]
    contradictions.find(staging.name, ["obsid"], common, "observation", staging.problems)
    if staging.has("objID"):
        planes = [name for name in names if name in PLANES and name != "objID"]
        contradictions.find(staging.name, ["obsid", "objID"], planes, "plane", staging.problems)
    else:
        planes = [name for name in names if name in PLANES]
        contradictions.find(staging.name, ["obsid"], planes, "observation", staging.problems)


def _merged(name: str) -> str:
    """How the rows of one observation become one: they agree but in the columns of PLANES."""
    if name == "obsid":
        return "obsid"
    how = PLANES.get(name, "bool_and({0})" if name == "mtFlag" else "min({0})")
    return f'{how.format(sql.listed([name]))} AS "{name}"'


def _insert(names: list[str], archive: str) -> int:
    blank = {column.name: "''" if column.sql == "text" else "NULL" for column in OBSERVATIONS}
    values = ", ".join(f'm."{name}"' if name in names else blank[name] for name in OBSERVATION_COLUMNS)
    return sql.execute(
        f"""
        WITH done AS (
            INSERT INTO portal_observation (archive, products_version, {sql.listed(OBSERVATION_COLUMNS)})
            SELECT %s, 0, {values} FROM merged_observation m
            WHERE NOT EXISTS (SELECT FROM portal_observation o WHERE o.archive = %s AND o.obsid = m.obsid)
            ORDER BY m.place RETURNING id)
        INSERT INTO changed_observation SELECT id FROM done""",
        [archive, archive],
    )


def _update(names: list[str], archive: str) -> int:
    assignments = ", ".join(f'"{name}" = m."{name}"' for name in names)
    return sql.execute(
        f"""
        WITH done AS (
            UPDATE portal_observation o SET {assignments} FROM merged_observation m
            WHERE o.archive = %s AND o.obsid = m.obsid
                AND ROW({sql.listed(names, "o")}) IS DISTINCT FROM ROW({sql.listed(names, "m")})
            RETURNING o.id)
        INSERT INTO changed_observation SELECT id FROM done""",
        [archive],
    )


def _place(rows: Sequence[tuple[int, str, float | None, float | None]]) -> None:
    footprints = [(key, footprint_of(region, ra, dec)) for key, region, ra, dec in rows]
    placed = [(key, footprint) for key, footprint in footprints if footprint is not None]
    nowhere = [(key, *[None] * len(SKY)) for key, footprint in footprints if footprint is None]
    if placed:
        columns = sky_columns([footprint for _, footprint in placed])
        values = zip((key for key, _ in placed), *(columns[name].tolist() for name in SKY), strict=True)
    else:
        values = zip()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY placed_observation (id, {', '.join(SKY)}) FROM STDIN") as copy,
    ):
        for row in (*values, *nowhere):
            copy.write_row(row)
