"""Loading MAST-shaped tables and finding their files: the local archive's catalogue is made here.

`load_tables` does all of it. A table goes through four hands: `sources` reads it, `values` and `columns` say
what each cell means, `staging` puts the rows beside the catalogue, `observations` and `products` compare and
merge there. `files` then links the bytes. The same table twice changes nothing.
"""

from portal.ingest.load import load_tables
from portal.ingest.problems import TableRefused
from portal.ingest.report import Report

__all__ = ["Report", "TableRefused", "load_tables"]
