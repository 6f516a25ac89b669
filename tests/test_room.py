"""Room on the stack: what is called in it maps no memory for each call, however deep it begins."""

import resource

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from portal.room import with_room

CALLS = 200


def leaf() -> None:
    """Called very often from just before the end of a chunk."""


def deep(levels: int) -> int:
    """Page faults of CALLS small calls at that depth."""
    if levels:
        return deep(levels - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        leaf()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def view(request: HttpRequest, levels: int) -> HttpResponse:
    """A page that nests so deeply."""
    return HttpResponse(str(deep(levels)))


def worst(levels: range) -> int:
    return max(int(with_room(view)(RequestFactory().get("/"), one).content) for one in levels)


def test_no_depth_costs_a_page_fault_for_each_call() -> None:
    assert worst(range(0, 600, 1)) < CALLS


def test_a_view_in_a_large_frame_is_the_same_view() -> None:
    roomy = with_room(view)
    assert (roomy.__name__, roomy.__doc__) == ("view", view.__doc__)
    with pytest.raises(TypeError):
        roomy(RequestFactory().get("/"))  # type: ignore[call-arg]  # its arguments are still needed
