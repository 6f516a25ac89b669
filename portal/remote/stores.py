"""The stores that the settings name."""

from django.conf import settings

from portal.remote.addresses import Keys, Stores, stores_of


def configured() -> Stores:
    """Those of REMOTE_STORES, with S3's keys."""
    keys = Keys(settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY, settings.S3_REGION)
    private = tuple(settings.REMOTE_PRIVATE_HOSTS)
    return stores_of(tuple(settings.REMOTE_STORES), private, settings.S3_ENDPOINT_URL, keys)
