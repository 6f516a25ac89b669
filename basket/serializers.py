"""Shapes of the basket's JSON, for answers and for the OpenAPI document. Sizes in bytes."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from portal.archives.base import PRODUCT_COLUMNS


class FilesSerializer(serializers.Serializer[Any]):
    """So many files of so many bytes."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class BasketSerializer(serializers.Serializer[Any]):
    """The numbers of a basket under the filters given."""

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
