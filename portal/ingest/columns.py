"""The columns of MAST's two tables: their names, what their cells mean, and which a table must have."""

from dataclasses import dataclass
from typing import Final

from django.db import models

from portal.archives.base import OBSERVATION_COLUMNS, PRODUCT_COLUMNS
from portal.ingest import values
from portal.ingest.values import Cleaner
from portal.models import Membership, Observation, Product

MJD: Final = "a date as MJD, between -678575 and 2973483"
POSITIVE: Final = "a number, 0 or more"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `sql` is its type in the database; `unit` what astropy converts other units to."""

    name: str
    clean: Cleaner
    sql: str = "text"
    required: bool = False  # the table must have it, and no cell may be blank
    wanted: bool = False  # the table must have it; cells may be blank
    unit: str = ""


def _longest(model: type[models.Model], name: str) -> int | None:
    longest = getattr(model._meta.get_field(name), "max_length", None)
    return None if longest is None else int(longest)


def _number(name: str, lowest: float, highest: float, what: str, unit: str = "") -> Column:
    return Column(name, values.between(lowest, highest, what), "double precision", unit=unit)


def _mjd(name: str) -> Column:
    return _number(name, values.FIRST_MJD, values.LAST_MJD, MJD, "d")


def _words(model: type[models.Model], *names: str) -> list[Column]:
    return [Column(name, values.name(_longest(model, name))) for name in names]


def _prose(model: type[models.Model], *names: str) -> list[Column]:
    return [Column(name, values.free_text(_longest(model, name))) for name in names]


def _folder(model: type[models.Model], name: str) -> Column:
    return Column(name, values.folder(_longest(model, name)), required=True)


def _ordered(columns: list[Column], order: tuple[str, ...]) -> tuple[Column, ...]:
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in order)


RIGHTS: Final = Column("dataRights", values.one_of(values.DATA_RIGHTS))
KIND: Final = Column("dataproduct_type", values.one_of(values.DATAPRODUCT_TYPES))
LEVEL: Final = Column("calib_level", values.calibration_level, "smallint")
# A coordinate that is not a number is a mistake, not a blank
RA: Final = Column(
    "s_ra", values.between(0, 360, "degrees between 0 and 360", values.plain), "double precision", unit="deg"
)
DEC: Final = Column(
    "s_dec", values.between(-90, 90, "degrees between -90 and 90", values.plain), "double precision", unit="deg"
)

OBSERVATIONS: Final = _ordered(
    [
        Column("obsid", values.identifier(_longest(Observation, "obsid")), required=True),
        _folder(Observation, "obs_collection"),
        _folder(Observation, "obs_id"),
        Column("objID", values.identifier(_longest(Observation, "objID"))),
        Column("proposal_id", values.numbered(_longest(Observation, "proposal_id"))),
        *_words(Observation, "intentType", "provenance_name", "instrument_name", "project", "filters"),
        *_words(Observation, "wavelength_region", "proposal_type", "jpegURL", "dataURL"),
        *_prose(Observation, "target_name", "target_classification", "proposal_pi", "obs_title"),
        KIND,
        LEVEL,
        RIGHTS,
        RA,
        DEC,
        *map(_mjd, ("t_min", "t_max", "t_obs_release")),
        _number("t_exptime", 0, 1e12, POSITIVE, "s"),
        _number("em_min", 0, 1e30, POSITIVE, "nm"),
        _number("em_max", 0, 1e30, POSITIVE, "nm"),
        _number("srcDen", -1e30, 1e30, "a number"),
        Column("sequence_number", values.sequence_number, "integer"),
        Column("s_region", values.region),
        Column("mtFlag", values.truth, "boolean"),
    ],
    OBSERVATION_COLUMNS,
)

PRODUCTS: Final = (
    *_ordered(
        [
            Column("obsID", values.identifier(_longest(Membership, "obsID")), required=True),
            Column("parent_obsid", values.identifier(_longest(Observation, "obsid"))),
            _folder(Product, "obs_collection"),
            _folder(Product, "obs_id"),
            Column("dataURI", values.uri(_longest(Product, "dataURI")), required=True),
            Column("productFilename", values.filename(_longest(Product, "productFilename")), required=True),
            Column("productType", values.one_of(values.PRODUCT_TYPES), required=True),
            Column("size", values.size, "bigint", wanted=True, unit="byte"),
            Column("type", values.one_of(values.ROW_TYPES)),
            Column("productGroupDescription", values.recommended(_longest(Membership, "productGroupDescription"))),
            Column("proposal_id", values.numbered(_longest(Product, "proposal_id"))),
            *_words(Product, "productSubGroupDescription", "productDocumentationURL", "project"),
            *_words(Membership, "prvversion", "filters"),
            *_prose(Product, "description"),
            KIND,
            LEVEL,
            RIGHTS,
        ],
        PRODUCT_COLUMNS,
    ),
    # Not product columns of MAST's, but tables made from searches have them: where a file's observation points
    RA,
    DEC,
)
