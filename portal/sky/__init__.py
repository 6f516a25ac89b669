"""Geometry on the sky: footprints (STC-S), the index that finds candidates, and the exact tests."""

from portal.sky.index import LARGE, ConeConditions, IndexRange, SkyIndex, cone_conditions, sky_columns, sky_index
from portal.sky.overlap import overlaps_cone, overlaps_polygon
from portal.sky.region import (
    Footprint,
    RegionError,
    footprint_of,
    parse_s_region,
    point_footprint,
    polygon_footprint,
)
from portal.sky.sphere import angular_distance, unit_vector, unit_vectors

__all__ = [
    "LARGE",
    "ConeConditions",
    "Footprint",
    "IndexRange",
    "RegionError",
    "SkyIndex",
    "angular_distance",
    "cone_conditions",
    "footprint_of",
    "overlaps_cone",
    "overlaps_polygon",
    "parse_s_region",
    "point_footprint",
    "polygon_footprint",
    "sky_columns",
    "sky_index",
    "unit_vector",
    "unit_vectors",
]
