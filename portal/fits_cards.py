"""The program that reads FITS headers for portal.fits_headers, in a process of its own: the open file comes as standard
input, JSON goes out, and limits hold whatever the file is made of."""

import json
import resource
import sys
import warnings
from typing import Any, Final

import astropy.io.fits

fits: Any = astropy.io.fits  # its functions have no types

UNITS: Final = 2
MOST_CARDS: Final = 5000
MOST_LETTERS: Final = 2000
CPU_SECONDS: Final = 10
MEMORY: Final = 2_000_000_000


def main() -> None:
    """Tell the first units of the file as a list of {number, name, kind, cards, more}."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    with fits.open(sys.stdin.buffer, memmap=False, lazy_load_hdus=True, disable_image_compression=True) as units:
        told = [_unit(number, unit) for number, unit in zip(range(UNITS), units, strict=False)]
    sys.stdout.write(json.dumps(told))


def _unit(number: int, unit: Any) -> dict[str, Any]:
    cards = unit.header.cards
    return {
        "number": number,
        "name": unit.name,
        "kind": type(unit).__name__.removesuffix("HDU"),
        "cards": [_card(card) for card in cards[:MOST_CARDS]],
        "more": max(0, len(cards) - MOST_CARDS),
    }


def _card(card: Any) -> tuple[str, str, str]:
    """A card that breaks the standard is shown as it stands, not mended and not left out."""
    try:
        return card.keyword, _said(card.value), card.comment
    except (fits.VerifyError, ValueError):
        return card.keyword, card.image[8:].strip(), ""


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if isinstance(value, fits.card.Undefined) else str(value)[:MOST_LETTERS]


if __name__ == "__main__":
    main()
