"""MAST's address of one file's bytes, under /api/v0.1/Download/: no trailing slash."""

from django.urls import path

from retrieval import views

app_name = "mast"
urlpatterns = [path("file", views.file, name="file")]
