"""The application's name for Django."""

from django.apps import AppConfig


class BasketConfig(AppConfig):
    """Choosing files."""

    name = "basket"
    default_auto_field = "django.db.models.BigAutoField"
