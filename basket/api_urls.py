"""Addresses of the basket's JSON, under /api/v1/basket/ and /api/v1/baskets/."""

from django.urls import path

from basket.api import fillings, keeping, manager, sharing

urlpatterns = [
    path("basket/", manager.show, name="show"),
    path("basket/undo/", manager.undo, name="undo"),
    path("basket/observations/", manager.observations, name="observations"),
    path("basket/fillings/<str:key>/", fillings.show, name="filling"),
    path("basket/fillings/<str:key>/cancel/", fillings.cancel, name="cancel_filling"),
    path("basket/fillings/<str:key>/retry/", fillings.retry, name="retry_filling"),
    path("basket/facets/", manager.facet_counts, name="facets"),
    path("basket/tree/", manager.tree_level, name="tree"),
    path("basket/selection/", manager.select, name="select"),
    path("basket/files/<int:product_id>/", manager.file, name="file"),
    path("basket/summary/", manager.summarise, name="summary"),
    path("basket/removals/", keeping.removals, name="removals"),
    path("basket/filters/", keeping.filters, name="filters"),
    path("basket/filters/<int:pk>/", keeping.filter_set, name="filter_set"),
    path("basket/share/", sharing.shares, name="shares"),
    path("basket/share/<int:pk>/", sharing.share, name="share"),
    path("basket/shared/<str:token>/", sharing.shared, name="shared"),
    path("basket/shared/<str:token>/copy/", sharing.copy, name="copy"),
    path("baskets/", keeping.baskets, name="baskets"),
    path("baskets/<int:pk>/", keeping.basket, name="basket"),
    path("baskets/<int:pk>/bring-back/", keeping.bring_back, name="bring_back"),
]
