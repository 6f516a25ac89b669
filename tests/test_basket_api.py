"""The basket as JSON: the contract's shapes, laws and errors, through real requests."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from portal.ingest import load_tables
from tests.sky_catalogue import observe

pytestmark = pytest.mark.django_db
JSON = "application/json"


def get(client: Client, address: str, /, **query: Any) -> dict[str, Any]:
    """The JSON that an address of the API answers with."""
    body: dict[str, Any] = client.get(f"/api/v1/{address}", query).json()
    return body


def load(shared: Path, name: str) -> list[dict[str, str]]:
    """Load one of the recorded product tables; its rows, as an independent reader sees them."""
    path = shared / "data" / name
    load_tables(observations=None, products=path, files=None, checksums=False)
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def add(client: Client, *obsids: str) -> dict[str, Any]:
    body = {"archive": "local", "obsids": list(obsids)}
    answer = client.post("/api/v1/basket/observations/", body, content_type=JSON)
    assert answer.status_code == 200, answer.content
    result: dict[str, Any] = answer.json()
    return result


def facet(client: Client, name: str, **filters: Any) -> dict[str, tuple[int, int]]:
    found = get(client, "basket/facets/", **filters)["facets"]
    values = next(facet["values"] for facet in found if facet["name"] == name)
    return {value["value"]: (value["shown"], value["total"]) for value in values}


def walk(client: Client, path: str = "", **filters: Any) -> Iterator[dict[str, Any]]:
    """Every node of the tree, page by page."""
    cursor = ""
    while cursor is not None:
        level = get(client, "basket/tree/", **filters, path=path, cursor=cursor, limit=7)
        assert len(level["nodes"]) <= 7
        for node in level["nodes"]:
            yield node
            if node["kind"] != "file":
                yield from walk(client, node["path"], **filters)
        cursor = level["next"]


def select(client: Client, path: str = "", action: str = "select", **filters: Any) -> dict[str, Any]:
    body = {"action": action, "path": path, "filters": filters}
    answer = client.post("/api/v1/basket/selection/", body, content_type=JSON)
    assert answer.status_code == 200, answer.content
    result: dict[str, Any] = answer.json()
    return result


SEED = ("10000041976", "10000042131")


def test_the_seed_basket_shows_exactly_the_portals_numbers(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    assert add(client, *SEED)["files"] == 407
    body = client.get("/api/v1/basket/").json()
    assert (body["observations"], body["files"], body["bytes"]) == (2, 407, 7_141_156_116)
    assert body["displayed"] == {"files": 7, "bytes": 564_095_878}
    assert facet(client, "mrp") == {"1": (7, 7)}
    totals = {value: total for value, (_, total) in facet(client, "category", mrp=0).items()}
    assert totals == {"AUXILIARY": 306, "SCIENCE": 55, "PREVIEW": 40, "INFO": 6}
    totals = {value: total for value, (_, total) in facet(client, "type").items()}
    assert (totals["image"], totals["reference"]) == (241, 16)
    totals = {value: total for value, (_, total) in facet(client, "ext").items()}
    assert totals == {"fits": 358, "jpg": 40, "json": 4, "csv": 2, "ecsv": 3}
    totals = {value: total for value, (_, total) in facet(client, "group").items()}
    assert [totals[name] for name in ("GS-ACQ1", "GS-ID", "I2D", "UNCAL", "CAL")] == [54, 30, 20, 16, 16]
    science = get(client, "basket/", mrp=0, category="SCIENCE")
    assert science["displayed"]["files"] == 55


def test_every_count_equals_one_made_from_the_table(client: Client, shared: Path) -> None:
    rows = load(shared, "jwst/jw05224_nirspec_msa_products_full.csv")
    parents = sorted({row["parent_obsid"] for row in rows})
    added = add(client, *parents)
    files = {row["dataURI"]: row for row in rows}
    assert (len(rows), len(files)) == (718, 323)
    assert added == {"added": 2, "already": 0, "not_found": [], "files": 323, "rows": 718, "duplicates": 395}
    body = get(client, "basket/", mrp=0)
    assert (body["files"], body["rows"], body["duplicates"]) == (323, 718, 395)
    assert body["bytes"] == sum(int(row["size"]) for row in files.values())
    for name, column in [("category", "productType"), ("group", "productSubGroupDescription")]:
        wanted = Counter(row[column] for row in files.values())
        assert {value: total for value, (_, total) in facet(client, name, mrp=0).items()} == wanted
    science = [row for row in files.values() if row["productType"] == "SCIENCE"]
    shown = facet(client, "group", mrp=0, category="SCIENCE")
    for value, count in Counter(row["productSubGroupDescription"] for row in science).items():
        assert shown[value][0] == count
    recommended = {row["dataURI"] for row in rows if row["productGroupDescription"]}
    assert client.get("/api/v1/basket/").json()["displayed"]["files"] == len(recommended)


def test_the_tree_holds_every_displayed_file_once(client: Client, shared: Path) -> None:
    rows = load(shared, "jwst/jw05224_nirspec_msa_products_full.csv")
    add(client, *{row["parent_obsid"] for row in rows})
    nodes = list(walk(client, mrp=0, category="SCIENCE"))
    files = [node["label"] for node in nodes if node["kind"] == "file"]
    assert sorted(files) == sorted({row["productFilename"] for row in rows if row["productType"] == "SCIENCE"})
    for kind in ("mission", "observation"):
        assert sum(node["files"] for node in nodes if node["kind"] == kind) == len(files)


def test_a_selection_under_a_filter_changes_only_files_that_pass_it(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    add(client, *SEED)
    assert select(client, mrp=0, category=["SCIENCE"])["selected"]["files"] == 55
    assert select(client, "JWST", "deselect", mrp=0, ext="ecsv")["selected"]["files"] == 52
    whole = get(client, "basket/", mrp=0, category="PREVIEW")
    assert whole["selected"]["files"] == 52
    assert whole["displayed"]["files"] == 40


def test_blank_is_a_value_and_an_unknown_value_matches_nothing(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    add(client, *SEED)
    assert get(client, "basket/", mrp=0, type="")["displayed"]["files"] == 150
    assert get(client, "basket/", mrp=0, type="banana")["displayed"]["files"] == 0


def test_what_was_added_before_is_told_and_what_does_not_exist_too(client: Client) -> None:
    observe(obsid="1", calib_level=-1)
    assert add(client, "1", "404", "1") == {
        "added": 1, "already": 0, "not_found": ["404"], "files": 0, "rows": 0, "duplicates": 0,
    }  # fmt: skip
    assert add(client, "1")["already"] == 1


def test_removing_and_undo_bring_back_files_and_their_selection(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    add(client, *SEED)
    select(client)
    before = client.get("/api/v1/basket/").json()
    gone = client.delete("/api/v1/basket/observations/", {"selected": True}, content_type=JSON).json()
    assert (gone["files"], gone["selected"]["files"]) == (400, 0)
    back = client.post("/api/v1/basket/undo/").json()
    assert {**back, "version": 0} == {**before, "version": 0}
    assert client.delete("/api/v1/basket/").json()["files"] == 0
    assert client.post("/api/v1/basket/undo/").json()["files"] == 407
    assert (
        client.delete("/api/v1/basket/observations/", {"obsids": [SEED[0]]}, content_type=JSON).json()["files"]
        == 184
    )
    client.post("/api/v1/basket/undo/")
    assert client.post("/api/v1/basket/undo/").status_code == 409


def test_a_file_tells_all_of_masts_columns_and_whether_you_may_read_it(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    add(client, *SEED)
    node = next(node for node in walk(client) if node["kind"] == "file")
    body = client.get(f"/api/v1/basket/files/{node['id']}/").json()
    assert body["productFilename"] == node["label"]
    assert body["access"] == "ok"
    assert body["parent_obsid"] in SEED
    assert client.get("/api/v1/basket/files/1/").status_code == 404


def test_a_shared_file_is_told_under_the_observation_that_carries_it(client: Client, shared: Path) -> None:
    rows = load(shared, "jwst/jw05224_nirspec_msa_products_full.csv")
    first, second = sorted({row["parent_obsid"] for row in rows})
    add(client, first, second)
    pool = next(node for node in walk(client, mrp=0, q="_pool.csv") if node["kind"] == "file")
    assert get(client, f"basket/files/{pool['id']}/")["parent_obsid"] == first
    client.delete("/api/v1/basket/observations/", {"obsids": [first]}, content_type=JSON)
    assert get(client, f"basket/files/{pool['id']}/")["parent_obsid"] == second
    client.post("/api/v1/basket/undo/")
    node = next(node for node in walk(client, mrp=0, q="_pool.csv") if node["kind"] == "file")
    carrier = get(client, f"basket/files/{pool['id']}/")["parent_obsid"]
    assert f":{carrier}/" in node["path"]


def test_nobody_sees_another_ones_basket(client: Client, shared: Path) -> None:
    load(shared, "seed/seed_basket_407.csv")
    add(client, *SEED)
    assert Client().get("/api/v1/basket/").json()["files"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("get", "basket/?mrp=maybe", None, "mrp"),
        ("get", "basket/tree/?path=JWST/nothing", None, "path"),
        ("get", "basket/tree/?limit=201", None, "limit"),
        ("get", "basket/tree/?limit=x", None, "limit"),
        ("get", "basket/tree/?cursor=nonsense", None, "cursor"),
        ("post", "basket/observations/", {"archive": "moon", "obsids": ["1"]}, "archive"),
        ("post", "basket/observations/", {"obsids": "x"}, "obsids"),
        ("post", "basket/observations/", {}, "obsids"),
        ("post", "basket/selection/", {"action": "toggle"}, "action"),
        ("post", "basket/selection/", {"action": "select", "filters": {"colour": "red"}}, "colour"),
        ("post", "basket/selection/", {"action": "select", "path": "JWST/local:1"}, "path"),
        ("post", "basket/selection/", ["select"], ""),
        ("delete", "basket/observations/", {}, "obsids"),
    ],
)
def test_bad_input_names_the_field_and_a_way_forward(
    client: Client, method: str, path: str, body: object, field: str
) -> None:
    answer = (
        getattr(client, method)(f"/api/v1/{path}", body, content_type=JSON)
        if body is not None
        else client.get(f"/api/v1/{path}")
    )
    assert 400 <= answer.status_code < 500
    error = answer.json()["error"]
    assert error.get("field", "") == field
    assert len(error["message"]) > 15


def test_a_body_that_is_no_json_is_told(client: Client) -> None:
    answer = client.post("/api/v1/basket/selection/", "{", content_type=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parse_error"


def test_the_openapi_document_is_valid_and_names_every_route(client: Client) -> None:
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    validate(schema)
    assert {"/api/v1/search/", "/api/v1/basket/", "/api/v1/basket/tree/", "/api/v1/retrievals/"} <= set(
        schema["paths"]
    )
    page = client.get("/api/v1/docs/")
    assert page.status_code == 200
    assert b"/api/v1/basket/selection/" in page.content
