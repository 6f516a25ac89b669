"""MAST's addresses of files' bytes and of the script for many, under /api/v0.1/Download/: no trailing slash."""

from django.urls import path

from retrieval import views

app_name = "mast"
urlpatterns = [
    path("file", views.file, name="file"),
    path("bundle.sh", views.bundle_sh, name="bundle_sh"),
]
