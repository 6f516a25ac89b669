"""The catalogue without bytes: exact numbers at any scale, the same rows every time, as ingest would have made them."""

import io
from collections import Counter

import pytest
from django.core.management import call_command
from django.db.models import Count

from basket.filling import add_observations
from basket.models import Basket, FacetSignature
from portal.demo import million
from portal.demo.million import KINDS, SHAPES, Shape
from portal.ingest import settling, sql
from portal.models import Membership, Observation, Product, Program

SMALL = Shape(20, 1_003, 7)
FACTS = (
    "dataURI",
    "productFilename",
    "obs_id",
    "size",
    "productType",
    "productSubGroupDescription",
    "t_obs_release",
)


def rows() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Everything but the keys that the database gave."""
    files = list(Product.objects.order_by("pk").values_list(*FACTS))
    listed = Membership.objects.order_by("pk").values_list(
        "observation__obsid", "product__dataURI", "obsID", "obs_id"
    )
    return files, list(listed)


def test_the_numbers_are_those_of_the_shape(db: None) -> None:
    loaded = million.load(SMALL)
    assert (len(loaded.observations), loaded.files, loaded.reused) == (20, 1_003, False)
    assert Product.objects.count() == 1_003
    assert Membership.objects.count() == loaded.rows == SMALL.rows
    listings = Product.objects.annotate(listings=Count("memberships__observation", distinct=True))
    shared = Counter(listings.values_list("listings", flat=True))
    assert shared[1] == 803
    assert sum(count for times, count in shared.items() if times > 1) == 200
    assert max(shared) == 4
    own = Observation.objects.annotate(files=Count("memberships")).values_list("files", flat=True)
    assert min(own) * 1.2 < max(own), "observations differ in size"


def test_a_second_load_changes_nothing_and_another_series_has_nothing_in_common(db: None) -> None:
    first, before = million.load(SMALL), rows()
    again = million.load(SMALL)
    assert (again.observations, again.rows, again.reused) == (first.observations, first.rows, True)
    assert rows() == before
    million.load(Shape(20, 1_003, 6))
    assert Product.objects.count() == 2_006
    assert Product.objects.values("productFilename").distinct().count() == 2_006


def test_the_same_shape_gives_the_same_rows(db: None) -> None:
    million.load(SMALL)
    before = rows()
    Observation.objects.all().delete()
    Product.objects.all().delete()
    million.load(SMALL)
    assert rows() == before


def test_the_keys_of_an_observations_own_files_lie_side_by_side(db: None) -> None:
    for pk in million.load(SMALL).observations:
        own = Membership.objects.filter(observation=pk).exclude(product__dataURI__contains="_gs-")
        keys = sorted(own.values_list("product", flat=True))
        assert keys == list(range(keys[0], keys[0] + len(keys)))


def test_rights_and_releases_are_what_ingest_would_have_settled(db: None) -> None:
    million.load(SMALL)
    before = dict(Product.objects.values_list("pk", "t_obs_release"))
    settling.prepare()
    touched = [f"({pk})" for pk in before]
    sql.execute(f"INSERT INTO touched_file VALUES {', '.join(touched)}")
    settling.settle_releases("local")
    assert dict(Product.objects.values_list("pk", "t_obs_release")) == before
    exclusive = Product.objects.filter(dataRights="EXCLUSIVE_ACCESS")
    assert 0 < exclusive.count() < 1_003
    assert not exclusive.filter(t_obs_release__lt=million.RELEASE).exists()
    assert set(Program.objects.values_list("proposal_id", flat=True)) == {"70000", "70001", "70002", "70003"}


def test_a_hundred_observations_have_hundreds_of_facet_combinations(db: None) -> None:
    loaded = million.load(Shape(100, 20_000, 5))
    added = add_observations(Basket(key="many"), loaded.observations)
    assert (added.added, added.files, added.rows) == (100, 20_000, loaded.rows)
    assert FacetSignature.objects.count() >= 300
    assert len({kind.group for kind in KINDS}) > 30


def test_the_shapes_of_the_command_are_those_that_it_promises() -> None:
    assert {name: (shape.observations, shape.files) for name, shape in SHAPES.items()} == {
        "million": (100, 1_000_000),
        "wide": (10_000, 1_000_000),
    }
    assert SHAPES["million"].rows == 1_399_900


@pytest.mark.parametrize("name", ["million", "wide"])
def test_the_command_loads_a_shape_once(db: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(SHAPES, name, SMALL)
    told = io.StringIO()
    call_command("demo", scale=name, stdout=told)
    call_command("demo", scale=name, stdout=told)
    assert "was loaded: 20 observations, 1,003 files" in told.getvalue()
    assert "is there already" in told.getvalue()
    assert Observation.objects.count() == 20
