"""Addresses of the Download Manager, under /basket/."""

from django.urls import path

from basket import views

app_name = "basket"
urlpatterns = [
    path("", views.show, name="show"),
    path("select/", views.select, name="select"),
    path("export/", views.export, name="export"),
    path("add/", views.add, name="add"),
    path("remove/", views.remove, name="remove"),
    path("undo/", views.undo, name="undo"),
]
