"""The application's name for Django."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Finding observations."""

    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"
