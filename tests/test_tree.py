"""The files tree, level by level."""

import pytest

from basket import filling, removal, selection, tree
from basket.models import Basket
from basket.nodes import decode, encode, observation_path
from basket.page import Filters, PageState, Window
from basket.tree import Level, Node
from portal.errors import Problem
from portal.models import Observation, Product
from tests.catalogue import Catalogue

EVERYTHING = Filters(mrp=False)


def filled(*observations: Observation) -> Basket:
    basket = Basket(key="stranger")
    filling.add_observations(basket, [observation.pk for observation in observations])
    return basket


def told(level: Level) -> list[tuple[str, str, int]]:
    return [(node.kind, node.label, node.files) for node in level.nodes]


@pytest.fixture
def nested(db: None) -> Observation:
    """An observation with two files of its own and three of two exposures."""
    catalogue = Catalogue()
    observation = catalogue.observation("jw1-o001_t001_nircam")
    catalogue.lists(
        observation, catalogue.product("z_i2d.fits", 50), catalogue.product("asn.json", None), mrp=True
    )
    catalogue.lists(observation, catalogue.product("b_cal.fits", 7), exposure="jw1_b")
    catalogue.lists(
        observation, catalogue.product("a_cal.fits", 5), catalogue.product("a.jpg", 1), exposure="jw1_a"
    )
    return observation


def test_the_levels_lead_from_missions_to_files(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    assert told(tree.nodes(basket, "", EVERYTHING)) == [("mission", "JWST", 5)]
    assert told(tree.nodes(basket, "JWST", EVERYTHING)) == [("observation", "jw1-o001_t001_nircam", 5)]
    level = tree.nodes(basket, top, EVERYTHING)
    assert told(level) == [
        ("file", "asn.json", 1),
        ("file", "z_i2d.fits", 1),
        ("exposure", "jw1_a", 2),
        ("exposure", "jw1_b", 1),
    ]
    assert level == Level(top, level.nodes, None)
    assert told(tree.nodes(basket, f"{top}/jw1_a", EVERYTHING)) == [
        ("file", "a.jpg", 1),
        ("file", "a_cal.fits", 1),
    ]


def test_a_file_tells_what_its_line_shows(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    Product.objects.filter(productFilename="z_i2d.fits").update(
        dataRights="EXCLUSIVE_ACCESS", t_obs_release=61000.5, productSubGroupDescription="I2D"
    )
    product = Product.objects.get(productFilename="z_i2d.fits")
    selection.select(basket, f"{top}/{product.pk}", EVERYTHING, value=True)
    assert tree.nodes(basket, top, EVERYTHING).nodes[1] == Node(
        path=f"{top}/{product.pk}",
        label="z_i2d.fits",
        kind="file",
        files=1,
        bytes=50,
        selected=1,
        state="all",
        id=product.pk,
        group="I2D",
        size=50,
        mrp=True,
        dataRights="EXCLUSIVE_ACCESS",
        t_obs_release=61000.5,
    )
    asn = tree.nodes(basket, top, EVERYTHING).nodes[0]
    assert (asn.size, asn.bytes, asn.state) == (None, 0, "none")


def test_nodes_count_what_passes_the_filters_and_hide_what_has_nothing(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    fits = Filters(mrp=False, ext=("fits",))
    assert told(tree.nodes(basket, top, fits)) == [
        ("file", "z_i2d.fits", 1),
        ("exposure", "jw1_a", 1),
        ("exposure", "jw1_b", 1),
    ]
    [mission] = tree.nodes(basket, "", fits).nodes
    assert (mission.files, mission.bytes) == (3, 62)
    assert told(tree.nodes(basket, "", Filters(ext=("jpg",)))) == []
    assert told(tree.nodes(basket, top, Filters(mrp=False, q="CAL"))) == [
        ("exposure", "jw1_a", 1),
        ("exposure", "jw1_b", 1),
    ]


def test_the_state_speaks_of_what_is_shown(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    selection.select(basket, "", Filters(mrp=False, ext=("fits",)), value=True)
    assert [node.state for node in tree.nodes(basket, "JWST", EVERYTHING).nodes] == ["some"]
    assert [node.state for node in tree.nodes(basket, "JWST", Filters(mrp=False, ext=("fits",))).nodes] == ["all"]
    assert [node.state for node in tree.nodes(basket, "", Filters(mrp=False, ext=("jpg",))).nodes] == ["none"]
    assert [(node.state, node.selected) for node in tree.nodes(basket, top, EVERYTHING).nodes] == [
        ("none", 0),
        ("all", 1),
        ("some", 1),
        ("all", 1),
    ]


def test_a_planned_observation_is_listed_as_long_as_nothing_else_is_asked_for(nested: Observation) -> None:
    planned = Catalogue().observation("jw2_planned", mission="HST", calib_level=-1)
    basket = filled(nested, planned)
    for filters in (Filters(), EVERYTHING):
        assert told(tree.nodes(basket, "", filters))[1] == ("mission", "HST", 0)
        [node] = tree.nodes(basket, "HST", filters).nodes
        assert (node.label, node.files, node.state) == ("jw2_planned", 0, "none")
        assert told(tree.nodes(basket, node.path, filters)) == []
    for filters in (Filters(ext=("fits",)), Filters(mrp=False, q="i2d")):
        assert len(tree.nodes(basket, "", filters).nodes) == 1
        assert told(tree.nodes(basket, "HST", filters)) == []


def test_an_observation_whose_files_others_carry_is_not_listed(nested: Observation) -> None:
    twin = Catalogue().observation("twin")
    Catalogue().lists(twin, *Product.objects.all())
    assert len(tree.nodes(filled(nested, twin), "JWST", EVERYTHING).nodes) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_pages_of_a_level_show_each_node_once(nested: Observation, limit: int) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    labels, cursor, pages = [], "", 0
    while True:
        level = tree.nodes(basket, top, EVERYTHING, cursor, limit)
        labels += [node.label for node in level.nodes]
        pages += 1
        if level.next is None:
            break
        cursor = level.next
    assert labels == ["asn.json", "z_i2d.fits", "jw1_a", "jw1_b"]
    assert pages == -(-4 // limit)


def test_a_page_of_observations_is_full_though_most_of_them_are_hidden(db: None) -> None:
    catalogue = Catalogue()
    every = [catalogue.filled(f"{number}.{'jpg' if number % 25 else 'fits'}") for number in range(260)]
    basket = filled(*every)
    level = tree.nodes(basket, "JWST", Filters(ext=("fits",)), limit=10)
    assert (len(level.nodes), bool(level.next)) == (10, True)
    rest = tree.nodes(basket, "JWST", Filters(ext=("fits",)), level.next or "", limit=10)
    assert (len(rest.nodes), rest.next) == (1, None)


def test_a_gap_after_a_removal_loses_no_node(db: None) -> None:
    catalogue = Catalogue()
    every = [catalogue.filled(f"{number}.fits", obs_id=f"obs{number}") for number in range(5)]
    basket = filled(*every)
    first = tree.nodes(basket, "JWST", EVERYTHING, limit=2)
    removal.remove_observations(basket, [every[1].pk, every[2].pk])
    rest = tree.nodes(basket, "JWST", EVERYTHING, first.next or "", limit=2)
    assert [node.label for node in rest.nodes] == ["obs3", "obs4"]


def test_a_level_has_at_most_two_hundred_lines(db: None) -> None:
    basket = filled(Catalogue().filled(*(f"{number:03}.fits" for number in range(250))))
    [node] = tree.nodes(basket, "JWST", EVERYTHING).nodes
    assert len(tree.nodes(basket, node.path, EVERYTHING, limit=9999).nodes) == 200
    assert len(tree.nodes(basket, node.path, EVERYTHING, limit=0).nodes) == 1


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "٣", " "])
def test_a_cursor_that_was_never_given_out_is_told(nested: Observation, cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        tree.nodes(filled(nested), "JWST", EVERYTHING, cursor)
    assert (caught.value.status, caught.value.field) == (400, "cursor")


def test_a_cursor_beyond_the_end_shows_nothing(nested: Observation) -> None:
    basket = filled(nested)
    for path in ("", "JWST", observation_path("JWST", nested)):
        assert tree.nodes(basket, path, EVERYTHING, "999999999") == Level(path, [], None)


def test_an_unknown_path_is_told(nested: Observation) -> None:
    with pytest.raises(Problem) as caught:
        tree.nodes(filled(nested), "HST", EVERYTHING)
    assert caught.value.status == 404


def test_a_mission_is_gone_with_its_last_observation(nested: Observation) -> None:
    basket = filled(nested)
    removal.clear(basket)
    assert tree.nodes(basket, "", EVERYTHING).nodes == []
    with pytest.raises(Problem):
        tree.nodes(basket, "JWST", EVERYTHING)


def test_a_file_has_nothing_below_it(nested: Observation) -> None:
    basket = filled(nested)
    path = tree.nodes(basket, observation_path("JWST", nested), EVERYTHING).nodes[0].path
    assert tree.nodes(basket, path, EVERYTHING).nodes == []


def test_a_basket_that_is_not_stored_is_an_empty_tree(db: None) -> None:
    assert tree.nodes(Basket(), "", EVERYTHING) == Level("", [], None)
    assert tree.open_levels(Basket(), PageState(open=("JWST",))) == {"": Level("", [], None)}


@pytest.mark.parametrize("text", ["a/b", "100%", "%2F", "12345", "", "%", "jw1_nrs1", "é ", "1a"])
def test_a_component_comes_back(text: str) -> None:
    assert decode(encode(text)) == text
    assert "/" not in encode(text)
    assert not encode(text).isdigit()


def test_an_exposure_named_like_a_number_is_not_taken_for_a_file(db: None) -> None:
    catalogue = Catalogue()
    observation, file = catalogue.observation(), catalogue.product("a.fits")
    catalogue.lists(observation, file, exposure=str(file.pk))
    catalogue.lists(observation, catalogue.product("own.fits"))
    basket, top = filled(observation), observation_path("JWST", observation)
    node = tree.nodes(basket, top, EVERYTHING).nodes[1]
    assert (node.kind, node.label) == ("exposure", str(file.pk))
    assert told(tree.nodes(basket, node.path, EVERYTHING)) == [("file", "a.fits", 1)]
    with pytest.raises(Problem):
        tree.nodes(basket, f"{top}/{file.pk}", EVERYTHING)


def test_open_levels_are_those_that_can_be_seen(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    state = PageState(EVERYTHING)
    assert list(tree.open_levels(basket, state)) == [""]
    assert list(tree.open_levels(basket, state.opened("JWST"))) == ["", "JWST"]
    deep = tree.open_levels(basket, state.opened(f"{top}/jw1_a"))
    assert list(deep) == ["", "JWST", top, f"{top}/jw1_a"]
    assert told(deep[top]) == told(tree.nodes(basket, top, EVERYTHING))


def test_open_nodes_that_are_gone_or_hidden_are_left_out(nested: Observation) -> None:
    basket, top = filled(nested), observation_path("JWST", nested)
    opened = ("HST", "JWST/local:1", f"{top}/jw1_a", "a//b", "\0", f"{top}/never")
    state = PageState(Filters(mrp=False, ext=("json",)), open=opened)
    assert list(tree.open_levels(basket, state)) == ["", "JWST", top]


def test_the_open_levels_together_fit_the_page(db: None) -> None:
    catalogue = Catalogue()
    large = catalogue.filled(*(f"{number:03}.fits" for number in range(150)))
    small = catalogue.filled("a.fits", "b.fits", "c.fits")
    others = [catalogue.filled(f"x{number}.fits") for number in range(130)]
    basket = filled(large, small, *others)
    state = PageState(EVERYTHING, open=(observation_path("JWST", large), observation_path("JWST", small)))
    levels = tree.open_levels(basket, state)
    sizes = [len(level.nodes) for level in levels.values()]
    assert sizes == [1, 98, 98, 3]
    assert levels["JWST"].next is not None
    further = state.changed(more=(("JWST", Window(levels["JWST"].next)),))
    following = tree.open_levels(basket, further)["JWST"].nodes
    assert following[0] == tree.nodes(basket, "JWST", EVERYTHING, limit=99).nodes[98]


def test_a_window_that_makes_no_sense_starts_at_the_beginning(nested: Observation) -> None:
    state = PageState(EVERYTHING, open=("JWST",), more=(("JWST", Window("x")),))
    assert len(tree.open_levels(filled(nested), state)["JWST"].nodes) == 1
