"""What a person types into the search box: a target's name or a position, and a radius.

The syntax is the basic search's of the MAST Portal: ``m57 r=1m``, ``10 12 13.4 -45 12 03 r=20s``,
``202.4696 47.1952``, ``104.8516 68.5607 gal``. Positions come out as ICRS degrees; ICRS, FK5 and J2000
are one for a search, they differ by 0.02 arcsec. A plain parser, because importing astropy costs a second.
"""

import math
import re
from dataclasses import dataclass

DEFAULT_RADIUS = 0.05
"""Degrees (3 arcmin), where no r= is given; the MAST Portal takes 0.2 deg."""
LONGEST = 255
"""Characters."""

_WAY = "Write a position as 283.396 +33.029, as 18 53 35.1 +33 01 45, or as 18h53m35.1s +33d01m45s."
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_DECIMAL = rf"{_NUMBER}(?:e[+-]?\d\d?(?!\d))?"
_SIGNS = str.maketrans(
    {
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2212": "-", "\ufe63": "-", "\uff0d": "-",
        "\uff0b": "+", "°": "d", "º": "d", "˚": "d", "ᵈ": "d", "ʰ": "h", "ᵐ": "m", "ˢ": "s", ";": ",",
        "'": "m", "′": "m", "\u2019": "m", "\u02b9": "m", '"': "s", "″": "s", "\u201d": "s", "\u02ba": "s",
    }
)  # fmt: skip
_WORDS = (
    (re.compile(r"mm"), "s"),
    (re.compile(r"(?<=[\d.\s])(?:arc)?min(?:ute)?s?(?![a-z])"), "m"),
    (re.compile(r"(?<=[\d.\s])(?:arc)?sec(?:ond)?s?(?![a-z])"), "s"),
    (re.compile(r"(?<=[\d.\s])deg(?:ree)?s?(?![a-z])"), "d"),
    (re.compile(r"(?<=[\d.\s])h(?:ou)?rs?(?![a-z])"), "h"),
)
_LABELS = re.compile(r"(?<![a-z])(?:ra|decl?)(?![a-z])\s*[=:]?\s*")
_FRAME = re.compile(
    r"^\(?(?P<before>galactic|gal|icrs|fk5|j2000(?:\.0)?|b1950|fk4)\)?[\s,:]+|"
    r"[\s,]+\(?(?P<after>galactic|gal|g|icrs|fk5|j2000(?:\.0)?|b1950|fk4)\)?$"
)
_NUMERIC = re.compile(rf"(?:[\s,:+-]|{_DECIMAL}(?:\s*d)?(?![a-z\d.]))+")
_RADIO_NAME = re.compile(r"\d{4}[+-]\d{2,4}")
_RADIUS = re.compile(r"(?:^|(?<=[\s,;]))r(?:adius)?\s*=\s*", re.IGNORECASE)
_RADIUS_VALUE = re.compile(r"(?:[^\s,;]|,(?=\d))*(?:(?<=[\d.])\s+(?:[^\W\d_]+|[^\w\s]+)\s*$)?")
_RADIUS_UNIT = re.compile(rf"(?P<number>{_DECIMAL})\s*(?P<unit>[dms]?)")
_ANGLE = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<decimal>{_DECIMAL})\s*(?P<unit>[hd]?)|"
    rf"(?P<whole>\d{{1,3}})(?P<by>\s*[hd:]\s*|\s+)(?P<minutes>\d{{1,2}}(?:\.\d*)?)"
    rf"(?:(?:\s*[m:]\s*|\s+)(?P<seconds>\d{{1,2}}(?:\.\d*)?)(?:\s*s)?|\s*m)?)"
)
_DEGREES_AFTER_HOURS = re.compile(r"([^d]*?h[^d]*?)\s*((?<![\d.])\d+(?:\.\d*)?\s*d.*)")
# ICRS to Galactic: Hipparcos and Tycho Catalogues (ESA SP-1200, 1997), vol. 1, eq. 1.5.11
_GALACTIC = (
    (-0.0548755604162154, -0.8734370902348850, -0.4838350155487132),
    (+0.4941094278755837, -0.4448296299600112, +0.7469822444972189),
    (-0.8676661490190047, -0.1980763734312015, +0.4559837761750669),
)


class CoordinateError(ValueError):
    """A search that cannot be read. ``message`` names the field and the value and says what would work.

    ``field`` is target or radius for what was typed into one box, else ra or dec.
    """

    def __init__(self, field: str, value: str, message: str) -> None:
        super().__init__(message)
        self.field, self.value, self.message = field, value, message


@dataclass(frozen=True, slots=True)
class Query:
    """Either a name to be resolved, or a position (ICRS, deg); and a radius (deg)."""

    radius: float
    name: str = ""
    ra: float | None = None
    dec: float | None = None


def parse(text: str, *, radius: float = DEFAULT_RADIUS) -> Query:
    """Read a target or a position, with or without ``r=``. Raises CoordinateError.

    ``radius`` (deg) holds where the text has none, a form's own field for instance.
    """
    target, found = _split_radius(_clean(text))
    if found is not None:
        radius = parse_radius(found)
    if not target:
        raise CoordinateError(
            "target",
            text[:LONGEST],
            "Target is empty: type a name such as M57, or a position such as 283.396 +33.029.",
        )
    try:
        position = parse_position(target)
    except CoordinateError as error:
        raise CoordinateError("target", error.value, error.message) from None
    if position is None:
        return Query(radius, name=target)
    return Query(radius, ra=position[0], dec=position[1])


def parse_radius(text: str) -> float:
    """Degrees from ``0.5``, ``0.5d``, ``3 arcmin``, ``3'``, ``20s``, ``20"``; without a unit, degrees.

    More than 0 and up to 180 degrees. Raises CoordinateError.
    """
    shown = text.strip()[:40]
    plain = _spell(_clean(text, "radius")).removeprefix("+")
    match = _RADIUS_UNIT.fullmatch(plain)
    if match is None:
        raise _radius_error(shown, _misread(plain))
    radius = float(match["number"]) / {"": 1, "d": 1, "m": 60, "s": 3600}[match["unit"]]
    if radius == 0:
        raise _radius_error(shown, "is zero, and nothing lies within nothing: try r=1s")
    if radius > 180:
        raise _radius_error(shown, "is larger than the whole sky: 180 degrees is the most, try r=1d")
    return radius


def parse_position(text: str) -> tuple[float, float] | None:
    """(ra, dec) in ICRS degrees, or None where the text is a name. Raises CoordinateError.

    Text that can only be meant as a position and is not a good one is an error, never a name.
    """
    plain = _spell(_clean(text))
    plain, frame = _split_frame(plain)
    plain = _LABELS.sub(" ", plain).strip()
    if _RADIO_NAME.fullmatch(plain):
        return None
    halves = _halves(plain)
    angles = [_ANGLE.fullmatch(half) for half in halves]
    if len(angles) == 2 and angles[0] and angles[1]:
        return _position(angles[0], angles[1], frame, _clean(text))
    if _NUMERIC.fullmatch(plain) and any(map(str.isdigit, plain)):
        raise CoordinateError("target", text, _not_two(text.strip(), plain))
    if len(angles) == 1 and angles[0] and angles[0]["minutes"]:
        raise CoordinateError("target", text, _not_two(text.strip(), plain))
    return None


def parse_ra_dec(ra: str, dec: str) -> tuple[float, float]:
    """The same for two fields of their own, as in ``?ra=202.4696&dec=47.1952``. Raises CoordinateError."""
    return _position(_angle(ra, "ra"), _angle(dec, "dec"), "", f"{ra} {dec}")


def format_sexagesimal(ra: float, dec: float) -> tuple[str, str]:
    """``("13:29:52.704", "+47:11:42.72")`` from degrees: to a millisecond of time, 0.01 arcsec.

    Raises CoordinateError where there is no such position.
    """
    if not (math.isfinite(ra) and abs(dec) <= 90):
        raise CoordinateError(
            "ra" if abs(dec) <= 90 else "dec", f"{ra} {dec}", f"{ra} {dec} is no position on the sky."
        )
    hours = round(ra % 360 * 240_000) % 86_400_000
    degrees = round(abs(dec) * 360_000)
    sign = "-" if dec < 0 and degrees else "+"
    return _sexagesimal(hours, 1000, 3), sign + _sexagesimal(degrees, 100, 2)


def galactic_to_icrs(longitude: float, latitude: float) -> tuple[float, float]:
    """(ra, dec) of a Galactic position, all in degrees."""
    l, b = math.radians(longitude), math.radians(latitude)  # noqa: E741 - as astronomers call them
    galactic = (math.cos(b) * math.cos(l), math.cos(b) * math.sin(l), math.sin(b))
    x, y, z = (sum(row[axis] * value for row, value in zip(_GALACTIC, galactic, strict=True)) for axis in range(3))
    return _turn(math.degrees(math.atan2(y, x))), math.degrees(math.atan2(z, math.hypot(x, y)))


_LONG = {"target": "Target", "ra": "Right ascension", "dec": "Declination", "radius": "Radius"}


def _clean(text: str, field: str = "target") -> str:
    """One line, single spaces, nothing invisible."""
    if len(text) > LONGEST:
        raise CoordinateError(
            field,
            text[:LONGEST],
            f"{_LONG[field]} has {len(text)} characters, of which up to {LONGEST} are read. Give one target.",
        )
    line = " ".join(text.split())
    return "".join(character for character in line if character.isprintable()).strip()


def _spell(text: str) -> str:
    """Every sign for minus, degrees, hours, minutes and seconds as one ASCII letter."""
    plain = text.lower().translate(_SIGNS)
    for word, letter in _WORDS:
        plain = word.sub(letter, plain)
    return plain


def _angle(text: str, field: str) -> re.Match[str]:
    angle = _ANGLE.fullmatch(_spell(_clean(text, field)))
    if angle is None:
        raise CoordinateError(field, text, f"{_LONG[field]} {_quoted(text)} is not a coordinate. {_WAY}")
    return angle


def _split_radius(text: str) -> tuple[str, str | None]:
    """(target, what stands behind r=)."""
    start = _RADIUS.search(text)
    if start is None:
        return text.strip(" ,;"), None
    value = _RADIUS_VALUE.match(text, start.end())
    end = value.end() if value else start.end()
    rest = f"{text[: start.start()]} {text[end:]}"
    if _RADIUS.search(rest):
        raise _radius_error(text[start.start() :], "is given twice: keep one r=")
    return " ".join(rest.split()).strip(" ,;"), text[start.end() : end]


def _split_frame(plain: str) -> tuple[str, str]:
    """(text without it, frame word or empty)."""
    match = _FRAME.search(plain)
    if match is None:
        return plain, ""
    return (plain[: match.start()] + plain[match.end() :]).strip(), match["before"] or match["after"]


def _halves(plain: str) -> list[str]:
    """The two coordinates of a position, not yet read; other text in one or two pieces, as it falls."""
    if "," in plain:
        return _halves_at_comma(re.sub(r"\s*,\s*", ",", plain))
    sign = re.search(r"(?<=[\d.hdms\s])[+-]", plain)
    if sign and plain[: sign.start()].strip():
        return [plain[: sign.start()].strip(), plain[sign.start() :]]
    hours = _DEGREES_AFTER_HOURS.fullmatch(plain)
    if hours:
        return [hours[1], hours[2]]
    words = re.sub(r"\s*:\s*|\s+(?=[hdms](?:\s|$))", lambda gap: gap[0].strip(), plain).split()
    if len(words) % 2:
        return [plain]
    half = len(words) // 2
    return [" ".join(words[:half]), " ".join(words[half:])]


def _halves_at_comma(plain: str) -> list[str]:
    """Commas between all numbers, or one between the coordinates; never a decimal comma, as in 202,5 47,2."""
    halves = plain.split(",")
    if len(halves) > 2:
        return [plain] if " " in plain else _halves(plain.replace(",", " "))
    alike = len(halves[0].split()) == len(halves[1].split())
    return halves if alike or re.search(r"[hdms:+-]", plain) else [plain]


def _position(first: re.Match[str], second: re.Match[str], frame: str, text: str) -> tuple[float, float]:
    if frame in {"b1950", "fk4"}:
        raise CoordinateError(
            "target",
            text,
            f"Position {_quoted(text)} is in {frame.upper()}, which is not read: give it in J2000 or ICRS.",
        )
    galactic = frame.startswith("g")
    ra = _degrees(first, "ra", hours=not galactic)
    dec = _degrees(second, "dec", hours=False)
    return galactic_to_icrs(ra, dec) if galactic else (ra, dec)


def _degrees(angle: re.Match[str], field: str, *, hours: bool) -> float:
    """One coordinate in degrees: RA in [0, 360), declination in [-90, 90]."""
    shown = angle[0]
    unit = angle["unit"] or (angle["by"] or "").strip()
    in_hours = unit == "h" or (hours and not angle["decimal"] and unit != "d")
    if in_hours and field == "dec":
        raise CoordinateError(
            field, shown, f"Declination {_quoted(shown)} is in hours: give it in degrees. {_WAY}"
        )
    value = float(angle["decimal"] or angle["whole"]) + _fraction(angle, field)
    value = -value if angle["sign"] == "-" else value
    return _checked_dec(value, shown) if field == "dec" else _checked_ra(value, shown, in_hours=in_hours)


def _fraction(angle: re.Match[str], field: str) -> float:
    """Minutes and seconds, as a part of the whole."""
    minutes, seconds = angle["minutes"] or "0", angle["seconds"] or "0"
    for name, value in (("minutes", minutes), ("seconds", seconds)):
        if float(value) >= 60:
            raise CoordinateError(
                field,
                angle[0],
                f"{_LONG[field]} {_quoted(angle[0])} has {value} {name}: they run from 0 to 59.999.",
            )
    if "." in minutes and angle["seconds"]:
        raise CoordinateError(
            field, angle[0], f"{_LONG[field]} {_quoted(angle[0])} has both decimal minutes and seconds. {_WAY}"
        )
    return float(minutes) / 60 + float(seconds) / 3600


def _checked_ra(value: float, shown: str, *, in_hours: bool) -> float:
    if in_hours and not 0 <= value <= 24:
        raise CoordinateError(
            "ra",
            shown,
            f"Right ascension {_quoted(shown)} is read as hours, which run from 0 to 24. Degrees: {value:.10g}d.",
        )
    degrees = value * 15 if in_hours else value
    if not -180 <= degrees <= 360:
        raise CoordinateError(
            "ra",
            shown,
            f"Right ascension {_quoted(shown)} is outside 0 to 360 degrees. In hours: 18:53:35.1 or 18h53m35.1s.",
        )
    return _turn(degrees)


def _turn(degrees: float) -> float:
    """In [0, 360): a tiny negative angle modulo 360 is 360."""
    return degrees % 360 % 360


def _checked_dec(value: float, shown: str) -> float:
    if abs(value) > 90:
        raise CoordinateError(
            "dec",
            shown,
            f"Declination {_quoted(shown)} is outside -90 to +90 degrees. Right ascension comes first.",
        )
    return value


def _sexagesimal(ticks: int, per_second: int, digits: int) -> str:
    """``HH:MM:SS.sss`` of a whole number of fractions of a second: so that 59.9996 s carries."""
    seconds, fraction = divmod(ticks, per_second)
    minutes, seconds = divmod(seconds, 60)
    whole, minutes = divmod(minutes, 60)
    return f"{whole:02d}:{minutes:02d}:{seconds:02d}.{fraction:0{digits}d}"


def _not_two(shown: str, plain: str) -> str:
    if re.fullmatch(rf"[+-]?{_NUMBER}", plain):
        return (
            f"Target {_quoted(shown)} is a single number; a position needs two, right ascension and declination. "
            f"{_WAY} A program ID belongs into the field for programs."
        )
    return f"Target {_quoted(shown)} is not a right ascension with a declination. {_WAY}"


def _misread(plain: str) -> str:
    if plain.startswith("-"):
        return "is negative: it must be more than zero, such as r=1m"
    return "is not a number with a unit: write r=20s (arcsec), r=3m (arcmin) or r=0.5d (degrees)"


def _radius_error(shown: str, reason: str) -> CoordinateError:
    return CoordinateError("radius", shown, f"Radius {_quoted(shown)} {reason}.")


def _quoted(text: str) -> str:
    return f"“{text[:60]}”"
