"""Numbers as people read them: sizes in decimal units, thousands apart, nouns in the right number."""

UNITS = ("kB", "MB", "GB", "TB", "PB")


def format_size(size: int | None) -> str:
    """``53.6 MB`` from bytes, in powers of 1000 (IEC 80000-13 keeps kB, MB for these)."""
    if size is None:
        return "size unknown"
    if abs(size) < 1000:
        return counted(size, "byte")
    value, unit = float(size), ""
    for name in UNITS:
        value, unit = value / 1000, name
        if abs(value) < 999.95:
            break
    return f"{value:.1f} {unit}"


def exact_size(size: int | None) -> str:
    """``53,611,200 bytes``."""
    return "The archive does not tell the size" if size is None else counted(size, "byte")


def counted(number: int, noun: str) -> str:
    """``1 file``, ``1,204 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
