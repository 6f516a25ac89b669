"""Addresses of the basket's JSON, under /api/v1/basket/."""

from django.urls import path

from basket import api

urlpatterns = [
    path("", api.show, name="show"),
    path("undo/", api.undo, name="undo"),
    path("observations/", api.observations, name="observations"),
    path("facets/", api.facet_counts, name="facets"),
    path("tree/", api.tree_level, name="tree"),
    path("selection/", api.select, name="select"),
    path("files/<int:product_id>/", api.file, name="file"),
]
