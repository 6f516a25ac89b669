"""Download scripts and lists: one plan, several languages. `retrieval.scripts.entry` says what they have in common."""

from retrieval.scripts import bash, lists, powershell, python
from retrieval.scripts.entry import Emitter

EMITTERS: dict[str, Emitter] = {
    "bash": bash.EMITTER,
    "powershell": powershell.EMITTER,
    "python": python.EMITTER,
    "aria2": lists.ARIA2,
    "urls": lists.URLS,
    "csv": lists.CSV,
}
"""By the contract's name of the script."""
