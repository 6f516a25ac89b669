"""Numbers in a query string, told from what merely looks like one."""

from portal.errors import Problem

MOST_DIGITS = 9


def whole(name: str, text: str, largest: int = 10**MOST_DIGITS - 1) -> int:
    """A whole number from 1 to `largest`. Raises Problem naming the parameter."""
    if not text.isdecimal() or len(text) > MOST_DIGITS or not 1 <= int(text) <= largest:
        limit = f" to {largest}" if largest < 10**MOST_DIGITS - 1 else ""
        raise Problem(f"{name}={text[:40]} is not a whole number from 1{limit}.", field=name)
    return int(text)
