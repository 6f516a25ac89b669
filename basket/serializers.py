"""Shapes of the basket's JSON, for answers and for the OpenAPI document. Sizes in bytes."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from portal.archives.base import PRODUCT_COLUMNS

LARGEST_KEY = 2**63 - 1


class FilesSerializer(serializers.Serializer[Any]):
    """So many files of so many bytes."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class BasketSerializer(serializers.Serializer[Any]):
    """The numbers of a basket under the filters given."""

    id = serializers.IntegerField(allow_null=True, help_text="Null while nothing was ever put into it")
    name = serializers.CharField()
    observations = serializers.IntegerField()
    files = serializers.IntegerField(help_text="Distinct files")
    rows = serializers.IntegerField(help_text="Rows of the archive's product lists")
    duplicates = serializers.IntegerField(help_text="Repeats of files that were culled")
    bytes = serializers.IntegerField()
    unknown_sizes = serializers.IntegerField(help_text="Files whose size the archive does not tell")
    displayed = FilesSerializer()
    selected = FilesSerializer()
    denied = FilesSerializer(help_text="Selected files that you may not read now")
    public_on = serializers.DateField(
        allow_null=True, help_text="The day on which the first of the denied is public"
    )
    stream_limit_bytes = serializers.IntegerField()
    version = serializers.IntegerField()


class LineSerializer(serializers.Serializer[Any]):
    """Selected files that have something in common."""

    name = serializers.CharField()
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class AccessSerializer(serializers.Serializer[Any]):
    """Who may read the selected files."""

    public = FilesSerializer(help_text="Everybody may")
    granted = FilesSerializer(help_text="Exclusive, and you may")
    denied = FilesSerializer(help_text="You may not, now")


class RefusalSerializer(serializers.Serializer[Any]):
    """Selected files that you may not read now, and why."""

    sentence = serializers.CharField()
    reason = serializers.CharField()
    public_on = serializers.DateField(allow_null=True)
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class WaySerializer(serializers.Serializer[Any]):
    """A way of getting the files."""

    method = serializers.ChoiceField(["zip", "tar", "tar.gz", "script", "batch"])
    label = serializers.CharField()  # type: ignore[assignment]  # as people see it
    fits = serializers.BooleanField()
    note = serializers.CharField(help_text="Why not, or what to know")


class SummarySerializer(serializers.Serializer[Any]):
    """What is selected."""

    selected = FilesSerializer()
    deliverable = FilesSerializer()
    unknown_sizes = serializers.IntegerField(help_text="Selected files whose size the archive does not tell")
    duplicates = serializers.IntegerField()
    rows = serializers.IntegerField()
    missions = LineSerializer(many=True)
    categories = LineSerializer(many=True)
    sizes = LineSerializer(many=True)
    access = AccessSerializer()
    refusals = RefusalSerializer(many=True)
    ways = WaySerializer(many=True)
    version = serializers.IntegerField()


class UndoSerializer(serializers.Serializer[Any]):
    """What to undo; without either, the last removal."""

    removal = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_KEY)
    joining = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_KEY)


class AddSerializer(serializers.Serializer[Any]):
    """Observations to put into the basket."""

    archive = serializers.CharField(default="local")
    obsids = serializers.ListField(child=serializers.CharField(), allow_empty=False, max_length=10_000)


class AddedSerializer(serializers.Serializer[Any]):
    """What became of the observations asked for."""

    added = serializers.IntegerField()
    already = serializers.IntegerField()
    not_found = serializers.ListField(child=serializers.CharField())
    files = serializers.IntegerField()
    rows = serializers.IntegerField()
    duplicates = serializers.IntegerField()


class StartedSerializer(serializers.Serializer[Any]):
    """Observations are being added in the background."""

    filling = serializers.CharField(help_text="Address that tells how far it is")
    not_found = serializers.ListField(child=serializers.CharField())


class FailureSerializer(serializers.Serializer[Any]):
    """An observation that could not be added."""

    observation = serializers.CharField(help_text="archive:obsid")
    reason = serializers.CharField()


class FillingSerializer(serializers.Serializer[Any]):
    """How far adding is: `done` of `total` observations, and what that brought."""

    phase = serializers.ChoiceField(["QUEUED", "EXECUTING", "COMPLETED", "ABORTED"])
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    added = serializers.IntegerField()
    already = serializers.IntegerField()
    files = serializers.IntegerField()
    rows = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    failures = FailureSerializer(many=True)


class RemoveSerializer(serializers.Serializer[Any]):
    """What to take out: observations by their obsid, or the selected files."""

    archive = serializers.CharField(default="local")
    obsids = serializers.ListField(child=serializers.CharField(), required=False)
    selected = serializers.BooleanField(required=False, default=False)


class FilterSerializer(serializers.Serializer[Any]):
    """The filters that everything obeys; an empty text stands for a blank value."""

    mrp = serializers.BooleanField(default=True, help_text="Minimum Recommended Products only")
    category = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    type = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    ext = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    batch = serializers.ListField(child=serializers.CharField(), required=False)
    group = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    q = serializers.CharField(required=False, allow_blank=True, help_text="Part of the file name")


class SelectionSerializer(serializers.Serializer[Any]):
    """Select or deselect the files under a node that pass the filters."""

    action = serializers.ChoiceField(["select", "deselect"])
    path = serializers.CharField(
        allow_blank=True, default="", help_text="A node's path; blank is the whole basket"
    )
    filters = FilterSerializer(required=False)


class FacetValueSerializer(serializers.Serializer[Any]):
    """One value: the basket's distinct files that have it, and those of them that pass all filters."""

    value = serializers.CharField(allow_blank=True)
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    shown = serializers.IntegerField()
    total = serializers.IntegerField()
    active = serializers.BooleanField()


class FacetSerializer(serializers.Serializer[Any]):
    """One filter with its values."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    values = FacetValueSerializer(many=True)


class FacetsSerializer(serializers.Serializer[Any]):
    """Every filter."""

    facets = FacetSerializer(many=True)


class NodeSerializer(serializers.Serializer[Any]):
    """One line of the files tree, counting the files that pass the filters."""

    path = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name
    kind = serializers.ChoiceField(["mission", "observation", "exposure", "file"])
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()
    selected = serializers.IntegerField()
    state = serializers.ChoiceField(["none", "some", "all"])
    id = serializers.IntegerField(allow_null=True, help_text="The file's id, for basket/files/<id>/")


class TreeSerializer(serializers.Serializer[Any]):
    """One level of the files tree; `next` is the cursor of the following page."""

    path = serializers.CharField(allow_blank=True)
    nodes = NodeSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class NameSerializer(serializers.Serializer[Any]):
    """A name as people see it."""

    name = serializers.CharField(allow_blank=True, default="", max_length=1000)


class KeptChangeSerializer(serializers.Serializer[Any]):
    """What to change of a basket: its name, or that it is the open one."""

    name = serializers.CharField(required=False, max_length=1000)
    open = serializers.BooleanField(required=False)


class KeptSerializer(serializers.Serializer[Any]):
    """One of your baskets."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    open = serializers.BooleanField(help_text="Whether this is the one that everything else here speaks of")
    opened = serializers.DateTimeField()
    observations = serializers.IntegerField()
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()
    selected = serializers.IntegerField(help_text="Selected files")


class KeptBasketsSerializer(serializers.Serializer[Any]):
    """Your baskets, the open one first."""

    baskets = KeptSerializer(many=True)


class SaveFiltersSerializer(serializers.Serializer[Any]):
    """Filters to be kept under a name."""

    name = serializers.CharField()
    filters = FilterSerializer()


class SavedFiltersSerializer(serializers.Serializer[Any]):
    """Filters under a name."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    filters = FilterSerializer()


class SavedFiltersListSerializer(serializers.Serializer[Any]):
    """Your saved filters, by name."""

    filters = SavedFiltersSerializer(many=True)


class RemovedSerializer(serializers.Serializer[Any]):
    """One act that took files out of a basket."""

    id = serializers.IntegerField(help_text="For POST basket/undo/: its `removal`")
    when = serializers.DateTimeField()
    what = serializers.CharField()
    basket = serializers.IntegerField()
    basket_name = serializers.CharField()
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class RemovedBasketSerializer(serializers.Serializer[Any]):
    """A basket that was taken away."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    removed = serializers.DateTimeField()


class JoiningSerializer(serializers.Serializer[Any]):
    """What came into a basket from another one."""

    id = serializers.IntegerField(help_text="For POST basket/undo/: its `joining`")
    when = serializers.DateTimeField()
    basket = serializers.IntegerField()
    files = serializers.IntegerField()


class RemovalsSerializer(serializers.Serializer[Any]):
    """What was taken away lately."""

    count = serializers.IntegerField()
    removals = RemovedSerializer(many=True)
    baskets = RemovedBasketSerializer(many=True)
    joinings = JoiningSerializer(many=True)


class LinkSerializer(serializers.Serializer[Any]):
    """A link to a basket as it was."""

    id = serializers.IntegerField()
    url = serializers.URLField(
        allow_null=True, help_text="Null for a link that was ended, or cannot be told any more"
    )
    name = serializers.CharField(allow_blank=True)
    created = serializers.DateTimeField()
    revoked = serializers.DateTimeField(allow_null=True)
    observations = serializers.IntegerField()
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class LinksSerializer(serializers.Serializer[Any]):
    """Your links, the newest first."""

    shares = LinkSerializer(many=True)


class CopiedSerializer(serializers.Serializer[Any]):
    """What came into your basket."""

    added = serializers.IntegerField()
    already = serializers.IntegerField()
    files = serializers.IntegerField()
    joining = serializers.IntegerField(
        allow_null=True, help_text="For POST basket/undo/; null where nothing changed"
    )


def _column(name: str) -> serializers.Field[Any, Any, Any, Any]:
    whole = name in {"size", "calib_level"}
    return serializers.IntegerField(allow_null=True) if whole else serializers.CharField(allow_blank=True)


FileSerializer = inline_serializer(
    "BasketFile",
    {
        "id": serializers.IntegerField(),
        "archive": serializers.CharField(),
        **{name: _column(name) for name in PRODUCT_COLUMNS},
        "access": serializers.ChoiceField(["ok", "denied"]),
        "reason": serializers.CharField(allow_blank=True),
        "public_on": serializers.DateField(allow_null=True),
        "preview": serializers.CharField(allow_null=True, help_text="Address of a picture"),
        "header": serializers.CharField(allow_null=True, help_text="Address of its FITS headers"),
        "linkages": inline_serializer(
            "Linkage",
            {
                "label": serializers.CharField(help_text="Association, Made from, Made into, Also listed by …"),
                "links": inline_serializer(
                    "Linked",
                    {
                        "name": serializers.CharField(),
                        "product": serializers.IntegerField(allow_null=True, help_text="id of a file"),
                        "address": serializers.ListField(
                            child=serializers.CharField(), allow_null=True, help_text="[archive, obsid]"
                        ),
                        "files": serializers.IntegerField(),
                    },
                    many=True,
                ),
                "total": serializers.IntegerField(help_text="All of them; links are the first 12"),
            },
            many=True,
        ),
    },
)
"""A file with MAST's 20 columns, and whether you may read its bytes now."""
