"""The program part of the Python download script: standard library only, Python 3.9 and later.

These modules are never imported by the site. `retrieval.scripts.python` joins them, in the order of `PARTS`, into
the one file that a person runs; the plan (which files, from where) follows as comments and is read as data.
`retrieval.scripts.entry` says how the program behaves.
"""

PARTS = (
    "plan",
    "words",
    "paths",
    "options",
    "wire",
    "rights",
    "state",
    "parts",
    "fetch",
    "packs",
    "report",
    "run",
)
