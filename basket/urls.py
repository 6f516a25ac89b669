"""Addresses of the Download Manager, under /basket/."""

from django.urls import path

from basket.views import manager

app_name = "basket"
urlpatterns = [
    path("", manager.show, name="show"),
    path("select/", manager.select, name="select"),
    path("add/", manager.add, name="add"),
    path("remove/", manager.remove, name="remove"),
    path("undo/", manager.undo, name="undo"),
    path("export/", manager.export, name="export"),
]
