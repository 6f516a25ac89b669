"""Download scripts and lists: one plan, several languages. `retrieval.scripts.entry` says what they have in common."""

from retrieval.scripts import bash
from retrieval.scripts.entry import Emitter
from retrieval.scripts.python import PYTHON

EMITTERS: dict[str, Emitter] = {
    "bash": bash.EMITTER,
    "python": PYTHON,
}
"""By the contract's name of the script."""
