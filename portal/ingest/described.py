"""Observations that only product rows tell of: a row of the catalogue for them, made from what their files say.

Such a row follows its products until an observations table tells more, which then completes it.
"""

# ruff: noqa: S608  # names of tables and columns are our own, values are always parameters

from portal.archives.base import OBSERVATION_COLUMNS
from portal.ingest import sql
from portal.ingest.columns import OBSERVATIONS
from portal.ingest.observations import STRICTEST, index_footprints

# No observations table has told anything of it
STUB = (
    "o.\"intentType\" = '' AND o.instrument_name = '' AND o.target_name = '' "
    "AND o.t_min IS NULL AND o.t_obs_release IS NULL"
)
WORDS = ("proposal_id", "filters", "dataproduct_type")
NUMBERS = ("s_ra", "s_dec")
TOLD = ("obs_collection", "obs_id", *WORDS, *NUMBERS, "calib_level", "dataRights")


def describe_parents(table: str, here: dict[str, str]) -> int:
    """Make or follow up the observations that the temporary table of products names and nothing else describes.

    Its own row speaks first, then the highest level; its rights are the strictest of its files'. The number of
    such observations.
    """
    count = sql.temporary("described_observation", _query(table), here)
    blank = {column.name: "''" if column.sql == "text" else "NULL" for column in OBSERVATIONS}
    values = ", ".join(f'd."{name}"' if name in {"obsid", *TOLD} else blank[name] for name in OBSERVATION_COLUMNS)
    sql.execute(
        f"""
        WITH done AS (
            INSERT INTO portal_observation AS o (archive, products_version, {sql.listed(OBSERVATION_COLUMNS)})
            SELECT %(archive)s, 0, {values} FROM described_observation d ORDER BY obsid
            ON CONFLICT (archive, obsid) DO UPDATE SET ({sql.listed(TOLD)}) = ROW({sql.listed(TOLD, "excluded")})
            WHERE ROW({sql.listed(TOLD, "o")}) IS DISTINCT FROM ROW({sql.listed(TOLD, "excluded")})
            RETURNING o.id)
        INSERT INTO changed_observation SELECT id FROM done""",
        here,
    )
    index_footprints(f"SELECT o.id FROM portal_observation o JOIN changed_observation USING (id) WHERE {STUB}")
    return count


def _query(table: str) -> str:
    """One row per such observation. What the products leave blank stays as the catalogue has it.

    The order decides without the order of the rows: every column that is taken is in it.
    """
    words = ", ".join(f'coalesce(nullif(i."{name}", \'\'), o."{name}", \'\') AS "{name}"' for name in WORDS)
    numbers = ", ".join(f'coalesce(i."{name}", o."{name}") AS "{name}"' for name in NUMBERS)
    folder = ", ".join(
        f'CASE WHEN o.id IS NULL OR i."obsID" = i.parent_obsid THEN i.{name} ELSE o.{name} END AS {name}'
        for name in ("obs_collection", "obs_id")
    )
    order = ", ".join(f'i."{name}" COLLATE "C"' for name in ("obs_id", "obs_collection", *WORDS))
    return f"""
        SELECT DISTINCT ON (i.parent_obsid) i.parent_obsid AS obsid, {folder}, {words}, {numbers},
            coalesce(a.calib_level, o.calib_level) AS calib_level,
            coalesce(nullif(a."dataRights", ''), o."dataRights", '') AS "dataRights"
        FROM {table} i
        JOIN (
            SELECT parent_obsid, max(calib_level) AS calib_level,
                {STRICTEST.format('"dataRights"')} AS "dataRights"
            FROM {table} GROUP BY parent_obsid) a ON a.parent_obsid = i.parent_obsid
        LEFT JOIN portal_observation o ON o.archive = %(archive)s AND o.obsid = i.parent_obsid
        WHERE o.id IS NULL OR ({STUB})
        ORDER BY i.parent_obsid, i."obsID" <> i.parent_obsid, i.calib_level DESC NULLS LAST,
            i."productType" <> 'SCIENCE', {order}, i.s_ra, i.s_dec"""
