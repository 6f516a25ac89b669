"""Addresses of the basket's JSON, under /api/v1/basket/."""

from django.urls import path

from basket.api import manager

urlpatterns = [
    path("", manager.show, name="show"),
    path("undo/", manager.undo, name="undo"),
    path("observations/", manager.observations, name="observations"),
    path("facets/", manager.facet_counts, name="facets"),
    path("tree/", manager.tree_level, name="tree"),
    path("selection/", manager.select, name="select"),
    path("files/<int:product_id>/", manager.file, name="file"),
]
