"""Every address of the site."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from portal import api, api_docs, views

api_routes: list[URLPattern | URLResolver] = [
    path("search/", api.search, name="search"),
    path("basket/", include(("basket.api_urls", "basket"))),
    path("retrievals/", include(("retrieval.api_urls", "retrievals"))),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", api_docs.show, name="docs"),
    re_path(r"^.*$", api.nothing_here),
]

urlpatterns = [
    path("", views.search, name="search"),
    path("observation/<str:archive>/<path:obsid>/", views.observation, name="observation"),
    path("header/", views.header, name="header"),
    path("basket/", include("basket.urls")),
    path("retrieval/", include("retrieval.urls")),
    path("api/v1/", include((api_routes, "api"))),
    path("api/v0.1/Download/", include("retrieval.mast_urls")),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
