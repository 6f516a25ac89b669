"""Addresses of the retrievals' JSON, under /api/v1/retrievals/."""

from django.urls import path

from retrieval import api

urlpatterns = [
    path("", api.index, name="index"),
    path("pack", api.Pack.as_view(), name="pack"),
    path("<str:retrieval_id>/", api.show, name="show"),
    path("<str:retrieval_id>/files/", api.files, name="files"),
    path("<str:retrieval_id>/download", api.Download.as_view(), name="download"),
    path("<str:retrieval_id>/cancel/", api.cancel, name="cancel"),
    path("<str:retrieval_id>/retry/", api.retry, name="retry"),
    path("<str:retrieval_id>/again/", api.again, name="again"),
    path("<str:retrieval_id>/changes/", api.changes, name="changes"),
]
