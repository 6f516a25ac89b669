"""The archive whose catalogue and files are our own."""

from collections.abc import Iterator, Sequence

from portal.archives.base import Criteria, Observation, Product, StoredBytes


class LocalArchive:
    """Observations, products and bytes that `ingest` loaded."""

    name = "local"
    label = "Local archive"
