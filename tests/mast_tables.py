"""Small tables in MAST's shape, and the catalogue as plain values, for tests of the ingest."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from portal.archives.base import MRP, OBSERVATION_COLUMNS, PRODUCT_COLUMNS
from portal.ingest import Report, TableRefused, load_tables
from portal.models import Membership, Observation, Product, Program, StoredFile

Row = dict[str, Any]


def product(name: str = "jw01_nis_cal.fits", **changed: Any) -> Row:
    """One row: a file that exposure 101 owns and observation 900 lists."""
    row = dict.fromkeys(PRODUCT_COLUMNS, "") | {
        "obsID": "101",
        "obs_collection": "JWST",
        "dataproduct_type": "image",
        "obs_id": "jw01_nis",
        "type": "S",
        "dataURI": f"mast:JWST/product/{name}",
        "productType": "SCIENCE",
        "productSubGroupDescription": "CAL",
        "proposal_id": "1",
        "productFilename": name,
        "size": 2880,
        "parent_obsid": "900",
        "dataRights": "PUBLIC",
        "calib_level": 2,
        "filters": "F200W",
    }
    return row | changed


def own(name: str = "jw01_t001_i2d.fits", **changed: Any) -> Row:
    """One row: a file of observation 900's own."""
    mine = {"obsID": "900", "obs_id": "jw01_t001", "calib_level": 3, "type": "D", "productGroupDescription": MRP}
    return product(name, **mine | changed)


def observation(obsid: str = "900", **changed: Any) -> Row:
    row = dict.fromkeys(OBSERVATION_COLUMNS, "") | {
        "intentType": "science",
        "obs_collection": "JWST",
        "instrument_name": "NIRISS",
        "target_name": "M57",
        "obs_id": "jw01_t001",
        "s_ra": 283.396,
        "s_dec": 33.029,
        "dataproduct_type": "image",
        "calib_level": 3,
        "t_min": 60000.5,
        "t_obs_release": 60365.5,
        "proposal_id": "1",
        "s_region": "CIRCLE ICRS 283.396 33.029 0.02",
        "dataRights": "PUBLIC",
        "obsid": obsid,
    }
    return row | changed


def write(path: Path, rows: Iterable[Row], columns: Sequence[str] = ()) -> Path:
    """A CSV table; its columns are those of the first row unless told."""
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns or list(rows[0]), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return path


def load_products(folder: Path, *rows: Row, **options: Any) -> Report:
    return load_tables(products=write(folder / "products.csv", rows), **options)


def load_observations(folder: Path, *rows: Row, **options: Any) -> Report:
    return load_tables(observations=write(folder / "observations.csv", rows), **options)


def refusal(**tables: Any) -> list[str]:
    """What is told when the tables are refused, one problem a line; fails when they are not."""
    before = catalogue()
    try:
        load_tables(**tables)
    except TableRefused as refused:
        assert catalogue() == before
        return str(refused).splitlines()
    raise AssertionError("the tables were loaded")


def refused_product(folder: Path, *rows: Row) -> list[str]:
    return refusal(products=write(folder / "products.csv", rows))


def refused_observation(folder: Path, *rows: Row) -> list[str]:
    return refusal(observations=write(folder / "observations.csv", rows))


def catalogue(*, keys: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the catalogue; without keys, as it would be after loading it anew."""
    if keys:
        models = (Observation, Product, Membership, StoredFile, Program)
        return {model.__name__: list(model._default_manager.order_by("pk").values_list()) for model in models}
    return {
        "Observation": sorted(_values(Observation, {"id", "products_version", "products_changed"}), key=repr),
        "Product": sorted(_values(Product, {"id"}), key=repr),
        "Membership": sorted(
            Membership.objects.values_list(
                "observation__obsid",
                "product__dataURI",
                *[name for name in _columns(Membership) if name not in {"id", "observation", "product"}],
            ),
            key=repr,
        ),
        "Program": sorted(Program.objects.values_list("obs_collection", "proposal_id")),
    }


def listing() -> list[tuple[Any, ...]]:
    """(observation, owner, file) of every row."""
    rows = Membership.objects.values_list("observation__obsid", "obsID", "product__productFilename")
    return sorted(rows)


def version(obsid: str = "900") -> int:
    return Observation.objects.get(obsid=obsid).products_version


def _columns(model: type[Any]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields]


def _values(model: type[Any], without: set[str]) -> Iterable[tuple[Any, ...]]:
    return list(model._default_manager.values_list(*[name for name in _columns(model) if name not in without]))
