"""What follows from rows that have changed: a file's folder, its release, its end, and newer product lists."""

from portal.ingest import sql
from portal.models import Product

# Temporary tables of keys that the merges fill and that are settled once, at the end
SCRATCH = (
    "changed_observation",  # observations that are new or say something else
    "changed_list",  # observations whose rows changed
    "touched_file",  # files whose rows or observations may have changed
    "changed_file",  # files that a basket shows, counts or guards differently now
)
CHUNK = 10_000


def prepare() -> None:
    """Create the temporary tables, empty, until the end of the transaction."""
    for name in SCRATCH:
        sql.temporary(name, "SELECT 0::bigint AS id WHERE false")
    sql.temporary("removed_row", "SELECT 0::bigint AS observation_id, 0::bigint AS product_id WHERE false")


def forget_unlisted() -> int:
    """Remove the files that no observation lists any more, with their place on disk; how many."""
    query = (
        "SELECT DISTINCT product_id FROM removed_row r "
        "WHERE NOT EXISTS (SELECT FROM portal_membership m WHERE m.product_id = r.product_id)"
    )
    gone = sql.numbers(query)
    for start in range(0, len(gone), CHUNK):
        Product.objects.filter(pk__in=list(gone[start : start + CHUNK])).delete()
    return len(gone)


def settle_folders() -> None:
    """Choose for every touched file the obs_id whose folder holds it.

    A file that one observation alone owns lies in that observation's folder. One that exposures own, as the
    association pool and guide-star files are, or several observations, lies in the first of their folders in
    C order: so the choice depends neither on the order of rows nor on the order in which tables were loaded.
    """
    sql.analyze("touched_file")
    sql.temporary(
        "settled_folder",
        """
        SELECT m.product_id, CASE
            WHEN count(DISTINCT m.obs_id) FILTER (WHERE m."obsID" = o.obsid) = 1
            THEN min(m.obs_id COLLATE "C") FILTER (WHERE m."obsID" = o.obsid)
            ELSE min(m.obs_id COLLATE "C") END AS obs_id
        FROM portal_membership m JOIN portal_observation o ON o.id = m.observation_id
        WHERE m.product_id IN (SELECT id FROM touched_file) GROUP BY 1""",
    )
    # The mission is the one of the rows with that obs_id; where this table has none, it stays as it was
    sql.execute(
        """
        WITH mission AS (
            SELECT product_id, obs_id, min(obs_collection COLLATE "C") AS obs_collection
            FROM incoming_row GROUP BY 1, 2),
        done AS (
            UPDATE portal_product p
            SET obs_id = f.obs_id, obs_collection = coalesce(n.obs_collection, p.obs_collection)
            FROM settled_folder f LEFT JOIN mission n ON n.product_id = f.product_id AND n.obs_id = f.obs_id
            WHERE p.id = f.product_id
                AND (p.obs_id <> f.obs_id OR p.obs_collection <> coalesce(n.obs_collection, p.obs_collection))
            RETURNING p.id)
        INSERT INTO changed_file SELECT id FROM done"""
    )


def touch_files_of_changed_observations(archive: str) -> None:
    """Files that a changed observation lists or owns: their release may have moved."""
    sql.execute(
        """
        INSERT INTO touched_file
        SELECT m.product_id FROM portal_membership m JOIN changed_observation c ON c.id = m.observation_id
        UNION
        SELECT m.product_id FROM portal_observation owner JOIN changed_observation c ON c.id = owner.id
        JOIN portal_membership m ON m."obsID" = owner.obsid
        JOIN portal_product p ON p.id = m.product_id AND p.archive = owner.archive
        WHERE owner.archive = %s""",
        [archive],
    )


def settle_releases(archive: str) -> None:
    """Set t_obs_release of every touched file: the last release among the observations that list it or own it."""
    sql.analyze("touched_file")
    sql.execute(
        """
        WITH settled AS (
            SELECT m.product_id, max(greatest(o.t_obs_release, owner.t_obs_release)) AS t_obs_release
            FROM portal_membership m
            JOIN portal_observation o ON o.id = m.observation_id
            LEFT JOIN portal_observation owner ON owner.archive = %s AND owner.obsid = m."obsID"
            WHERE m.product_id IN (SELECT id FROM touched_file) GROUP BY 1),
        done AS (
            UPDATE portal_product p SET t_obs_release = s.t_obs_release FROM settled s
            WHERE p.id = s.product_id AND p.t_obs_release IS DISTINCT FROM s.t_obs_release
            RETURNING p.id, p."dataRights")
        INSERT INTO changed_file SELECT id FROM done WHERE "dataRights" <> 'PUBLIC'""",
        [archive],
    )


def raise_versions() -> int:
    """Raise products_version of each observation whose rows changed, or one of whose files did; how many."""
    return sql.execute(
        """
        UPDATE portal_observation SET products_version = products_version + 1 WHERE id IN (
            SELECT id FROM changed_list
            UNION
            SELECT m.observation_id FROM portal_membership m JOIN changed_file f ON f.id = m.product_id)"""
    )
