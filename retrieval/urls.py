"""Addresses of the download pages, under /retrieval/."""

from django.urls import path

from retrieval import views

app_name = "retrieval"
urlpatterns = [
    path("", views.index, name="list"),
    path("", views.index, name="create"),
    path("recommended/", views.recommended, name="recommended"),
    path("<str:retrieval_id>/", views.show, name="show"),
    path("<str:retrieval_id>/download", views.download, name="download"),
    path("<str:retrieval_id>/cancel/", views.cancel, name="cancel"),
    path("<str:retrieval_id>/retry/", views.retry, name="retry"),
    path("<str:retrieval_id>/again/", views.again, name="again"),
]
