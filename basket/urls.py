"""Addresses of the Download Manager and of what is kept beside it, under /basket/."""

from django.urls import path

from basket.views import baskets, fillings, manager, recently_removed, saved_filters, sharing, summary

app_name = "basket"
urlpatterns = [
    path("", manager.show, name="show"),
    path("select/", manager.select, name="select"),
    path("add/", manager.add, name="add"),
    path("remove/", manager.remove, name="remove"),
    path("undo/", manager.undo, name="undo"),
    path("fillings/<str:key>/cancel/", fillings.cancel, name="cancel_filling"),
    path("fillings/<str:key>/retry/", fillings.retry, name="retry_filling"),
    path("export/", manager.export, name="export"),
    path("joined/<int:joining>/undo/", manager.undo_joining, name="undo_joining"),
    path("summary/", summary.show, name="summary"),
    path("removed/", recently_removed.index, name="removed"),
    path("all/", baskets.index, name="baskets"),
    path("all/new/", baskets.new, name="new"),
    path("all/<int:basket>/open/", baskets.switch, name="switch"),
    path("all/<int:basket>/rename/", baskets.rename, name="rename"),
    path("all/<int:basket>/remove/", baskets.remove, name="remove_basket"),
    path("all/<int:basket>/bring-back/", baskets.bring_back, name="bring_back_basket"),
    path("filters/save/", saved_filters.save, name="save_filters"),
    path("filters/<int:saved>/rename/", saved_filters.rename, name="rename_filters"),
    path("filters/<int:saved>/remove/", saved_filters.remove, name="remove_filters"),
    path("filters/<int:saved>/bring-back/", saved_filters.bring_back, name="bring_back_filters"),
    path("share/", sharing.share, name="share"),
    path("shares/", sharing.index, name="shares"),
    path("shares/<int:share>/end/", sharing.revoke, name="revoke"),
    path("shared/<str:token>/", sharing.show, name="shared"),
    path("shared/<str:token>/copy/", sharing.copy, name="copy"),
]
