"""The search form: one line for the target, one for programs."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet

from portal.models import Observation


class SearchForm(forms.Form):
    """What a person types. Meaning is given to it by portal.search."""

    collection = forms.ChoiceField(required=False, label="Collection")
    target = forms.CharField(
        required=False,
        max_length=200,
        label="Target or position",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    program = forms.CharField(required=False, max_length=500, label="Program IDs")

    def __init__(self, data: Mapping[str, Any] | None = None, *, collections: list[str]) -> None:
        super().__init__(data)
        choices = [("", "All missions"), *((name, name) for name in collections)]
        collection = self.fields["collection"]
        assert isinstance(collection, forms.ChoiceField)
        collection.choices = choices


def collections(observations: QuerySet[Observation]) -> list[str]:
    """The missions that there is anything of."""
    return sorted(observations.order_by().values_list("obs_collection", flat=True).distinct())
