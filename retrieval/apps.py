"""The application's name for Django."""

from django.apps import AppConfig


class RetrievalConfig(AppConfig):
    """Getting files."""

    name = "retrieval"
    default_auto_field = "django.db.models.BigAutoField"
