"""The sky index as Django conditions, over fields named as in ``portal.sky.SkyIndex``.

They select candidates by the index (size_class, dec_zone, center_ra): ``portal.sky.overlaps_cone`` and
``overlaps_polygon`` decide. Rows without a position have NULL there and are never found.
"""

from collections.abc import Sequence

from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual

from portal.sky import LARGE, ConeConditions, IndexRange, cone_conditions, polygon_footprint, sky_index
from portal.sky.index import SLACK

MOST_ZONES = 250
"""Above it one range of zones is quicker than a list of them."""


def cone_q(ra: float, dec: float, radius: float) -> Q:
    """Observations that may overlap the cone; all in degrees."""
    cone = cone_conditions(ra, dec, radius)
    large = Q(size_class=LARGE)
    indexed = large
    for span in cone.ranges:
        indexed |= _range_q(span)
    return indexed & (large | _bounding_q(cone)) if cone.bounded else indexed


def polygon_q(vertices: Sequence[tuple[float, float]]) -> Q:
    """Observations that may overlap the polygon of (ra, dec) vertices in degrees. Raises RegionError."""
    circle = sky_index(polygon_footprint(vertices))
    return cone_q(circle.center_ra, circle.center_dec, circle.bounding_radius)


def _range_q(span: IndexRange) -> Q:
    """A list of zones lets the B-tree go to the interval of RA in each; a range would read whole zones."""
    zones = range(span.zone_low, span.zone_high + 1)
    if span.all_ra or len(zones) > MOST_ZONES:
        condition = Q(size_class=span.size_class, dec_zone__range=(span.zone_low, span.zone_high))
    else:
        condition = Q(size_class=span.size_class, dec_zone__in=list(zones))
    return condition if span.all_ra else condition & Q(center_ra__range=(span.ra_low, span.ra_high))


def _bounding_q(cone: ConeConditions) -> Q:
    """Centres no further than the cone's radius and their own together: cos(a + b) by its addition theorem."""
    cosine = F("x") * cone.x + F("y") * cone.y + F("z") * cone.z
    least = F("cos_radius") * cone.cos_radius - F("sin_radius") * cone.sin_radius
    return Q(GreaterThanOrEqual(cosine - least, -SLACK))
