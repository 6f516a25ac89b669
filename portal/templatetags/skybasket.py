"""Filters and tags of every page: sizes, dates, positions, icons."""

from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from django import template
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from portal import access, previews
from portal.coordinates import CoordinateError, format_sexagesimal
from portal.models import Observation
from portal.quantities import counted, exact_size, format_size

register = template.Library()

register.filter("size", format_size)
register.filter("exact_size", exact_size)


@register.filter
def sized(size: int | None) -> SafeString:
    """A size in decimal units, the exact bytes in its title."""
    return format_html('<span class="nobreak" title="{}">{}</span>', exact_size(size), format_size(size))


@register.filter
def number(value: int | str | None) -> str:
    """``1,204``; nothing where a page has no such number."""
    return f"{value:,}" if isinstance(value, int) else ""


@register.filter("counted")
def counted_filter(value: int | None, noun: str) -> str:
    """``1,204 files`` from 1204 and "file"."""
    return counted(value or 0, noun)


@register.filter
def day(moment: date | datetime | None) -> str:
    """``2027-03-01``."""
    return "" if moment is None else moment.strftime("%Y-%m-%d")


@register.filter
def minute(moment: datetime | None) -> str:
    """``2027-03-01 12:30 UTC``."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


@register.filter
def mjd_day(mjd: float | None) -> str:
    """The UTC day of a Modified Julian Date."""
    return "" if mjd is None else day(access.mjd_to_datetime(mjd))


@register.filter
def seconds(value: float | None) -> str:
    """An exposure: ``1,234.6 s``."""
    return "" if value is None else f"{value:,.1f} s"


@register.simple_tag
def position(ra: float | None, dec: float | None) -> SafeString | str:
    """RA and Dec in degrees; in hours and degrees, minutes, seconds on hover."""
    if ra is None or dec is None:
        return ""
    try:
        hours, degrees = format_sexagesimal(ra, dec)
    except CoordinateError:
        return f"{ra} {dec}"
    title, shown = f"{hours} {degrees} (ICRS)", f"{ra:.5f} {dec:+.5f}"
    return format_html('<span class="mono nobreak" title="{}">{}</span>', title, shown)


@register.simple_tag
def sexagesimal(ra: float, dec: float) -> str:
    """``18:53:35.079 +33:01:45.03``, or nothing where there is no such position."""
    try:
        return " ".join(format_sexagesimal(ra, dec))
    except CoordinateError:
        return ""


@register.simple_tag(takes_context=True)
def preview(context: dict[str, Any], observation: Observation) -> str | None:
    """The path of an observation's picture, where there is one that the reader may see."""
    return previews.of_observation(observation, context["request"].user, timezone.now())


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of the symbols in icons.html; the word beside it says what it means."""
    return format_html('<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"/></svg>', name)


@register.filter
def breakable(text: str) -> SafeString:
    """A long name that may be broken after its underscores and semicolons."""
    return mark_safe(escape(text).replace("_", "_<wbr>").replace(";", ";<wbr>"))  # noqa: S308 - escaped before


@register.filter
def dom_id(text: str) -> str:
    """A text as part of an id: the same text gives the same id, and no id has a space."""
    return quote(text, safe="")
