"""The archives of this installation, by name, in the order of the setting ARCHIVES."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal.archives.base import Archive
from portal.archives.local import LocalArchive

ARCHIVES: dict[str, type[Archive]] = {"local": LocalArchive}


@cache
def archive(name: str) -> Archive:
    """The archive of that name. Raises ImproperlyConfigured with the names there are."""
    try:
        return ARCHIVES[name]()
    except KeyError:
        raise ImproperlyConfigured(
            f"ARCHIVES names {name!r}, which is none of: {', '.join(ARCHIVES)}. For example: ARCHIVES=local"
        ) from None


def configured() -> list[Archive]:
    """Every archive that the setting ARCHIVES names."""
    return [archive(name) for name in settings.ARCHIVES]
