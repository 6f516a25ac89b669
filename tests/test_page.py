"""The query string: every state has one, equal states have equal ones, and nonsense is answered."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket.page import MOST_OPEN, MOST_ROWS, MOST_VALUES, Filters, PageError, PageState, Window

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.lists(TEXT, max_size=3)
SEGMENT = st.text(st.sampled_from("aZ9:%_ é&="), min_size=1, max_size=6)
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
WINDOWS = st.builds(
    Window, st.one_of(st.just(""), st.integers(0, 10**6).map(str)), st.integers(1, MOST_ROWS)
).filter(lambda window: window != Window())
STATES = st.builds(
    lambda filters, paths, file, more: PageState(
        filters, tuple(dict.fromkeys(paths)), file, tuple(dict(more).items())
    ),
    st.builds(
        lambda mrp, q, values: Filters(
            mrp=mrp, q=q.strip(), **{k: tuple(sorted(set(v))) for k, v in values.items()}
        ),
        st.booleans(),
        TEXT,
        st.fixed_dictionaries(dict.fromkeys(("category", "type", "ext", "batch", "group"), VALUES)),
    ),
    st.lists(PATH, max_size=4),
    st.one_of(st.none(), st.integers(0, 10**17)),
    st.lists(st.tuples(PATH, WINDOWS), max_size=3),
)


def read(query: str, *, mrp_default: bool = True) -> PageState:
    """The state that a query string stands for."""
    values = parse_qs(query, keep_blank_values=True)
    return PageState.parse(lambda name: values.get(name, []), mrp_default=mrp_default)


@given(STATES)
def test_a_state_comes_back_from_its_query_string(state: PageState) -> None:
    again = read(state.query())
    assert again == state
    assert again.query() == state.query()


def test_an_address_always_says_whether_it_is_about_recommended_files() -> None:
    assert PageState().query() == "mrp=1"
    assert PageState(Filters(mrp=False)).query() == "mrp=0"


def test_an_address_that_does_not_say_it_means_the_default() -> None:
    assert read("", mrp_default=False).filters.mrp is False
    assert read("mrp=1", mrp_default=False).filters.mrp is True


def test_parameters_and_values_have_one_order() -> None:
    state = read("q=cal&group=UNCAL&file=42&category=SCIENCE&group=&open=JWST&category=INFO&mrp=0&category=INFO")
    assert state.query() == "mrp=0&category=INFO&category=SCIENCE&group=&group=UNCAL&q=cal&open=JWST&file=42"


def test_an_empty_value_is_the_blank_one_and_an_empty_text_is_no_text() -> None:
    filters = read("group=&q=&mrp=").filters
    assert (filters.group, filters.q, filters.mrp) == (("",), "", True)


def test_the_last_mrp_counts_as_a_checkbox_after_its_hidden_field_sends_it() -> None:
    assert read("mrp=0&mrp=1").filters.mrp is True
    assert read("mrp=FALSE").filters.mrp is False


def test_a_click_on_a_value_ticks_it_and_another_one_unticks_it() -> None:
    ticked = PageState().toggle("category", "SCIENCE")
    assert ticked.query() == "mrp=1&category=SCIENCE"
    assert ticked.toggle("category", "SCIENCE") == PageState()
    assert PageState().toggle("mrp", "1").query() == "mrp=0"


def test_new_filters_start_every_level_anew_and_keep_what_is_open() -> None:
    state = PageState(open=("JWST",), file=7, more=(("JWST", Window("99")),))
    assert state.toggle("ext", "fits").query() == "mrp=1&ext=fits&open=JWST&file=7"
    assert state.query(file=8) == "mrp=1&open=JWST&more=JWST@99&file=8"
    assert state.query(mrp=False) == "mrp=0&open=JWST&file=7"


def test_clearing_the_filters_displays_everything() -> None:
    assert read("category=INFO&q=x&open=JWST").clear_filters().query() == "mrp=0&open=JWST"


def test_a_node_is_open_when_something_below_it_is() -> None:
    state = PageState().opened("JWST/local:1")
    assert state.is_open("JWST")
    assert state.is_open("JWST/local:1")
    assert not state.is_open("JWST/local:11")


def test_closing_a_node_closes_what_is_below_and_nothing_above() -> None:
    state = PageState(more=(("JWST/local:1", Window("5")),)).opened("JWST/local:1").opened("JWST/local:1/exp")
    assert state.closed("JWST/local:1").query() == "mrp=1&open=JWST"
    assert state.closed("JWST").query() == "mrp=1"
    assert state.closed("JWST/local:1/exp").query() == "mrp=1&open=JWST/local:1&more=JWST/local:1@5"
    assert state.closed("HST") == state


def test_only_so_many_nodes_stay_open() -> None:
    state = PageState()
    for number in range(MOST_OPEN + 5):
        state = state.opened(f"JWST/local:{number}")
    assert len(state.open) == MOST_OPEN
    assert state.open[-1] == f"JWST/local:{MOST_OPEN + 4}"
    assert len(read("&".join(f"open=a{number}" for number in range(300))).open) == MOST_OPEN


@pytest.mark.parametrize("file", ["", "x", "-1", "1e3", "٣", "9" * 19, "1.0"])
def test_a_file_that_is_no_number_is_no_file(file: str) -> None:
    assert read(f"file={file}").file is None


@pytest.mark.parametrize(
    "more", ["JWST", "JWST@", "JWST@x", "JWST@-1", "JWST@:", "JWST@:x", "JWST@:100", "JWST@5:6:7"]
)
def test_a_window_without_a_cursor_is_left_out(more: str) -> None:
    assert read(f"more={more}").more == ()


@pytest.mark.parametrize(
    ("more", "after", "rows"),
    [("7", "7", 100), (":200", "", 200), ("7:150", "7", 150), ("7:9999", "7", MOST_ROWS), ("7:0", "7", 1)],
)
def test_a_window_says_from_where_and_how_many_rows(more: str, after: str, rows: int) -> None:
    assert read(f"more=JWST@{more}").window("JWST") == Window(after, rows)
    assert read("").moved("JWST", Window(after, rows)).window("JWST") == Window(after, rows)
    assert read(f"more=JWST@{more}").moved("JWST", Window()).more == ()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("mrp=perhaps", "mrp"),
        ("q=" + "x" * 300, "q"),
        ("group=" + "x" * 300, "group"),
        ("&".join(f"ext={number}" for number in range(MOST_VALUES + 1)), "ext"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_the_name_of_the_field(query: str, field: str) -> None:
    with pytest.raises(PageError) as caught:
        read(query)
    assert caught.value.field == field
    assert caught.value.message


def test_filters_in_json_are_texts_or_lists_of_them() -> None:
    assert Filters.from_json({}) == Filters()
    data = {"mrp": False, "category": "INFO", "group": ["", "CAL"], "batch": True, "q": None, "type": []}
    assert Filters.from_json(data) == Filters(mrp=False, category=("INFO",), group=("", "CAL"), batch=("1",))
    assert Filters.from_json({"mrp": 0}) == Filters.from_json({"mrp": "false"}) == Filters(mrp=False)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"categroy": "INFO"}, "categroy"),
        ({"group": {}}, "group"),
        ({"ext": [["fits"]]}, "ext"),
        ({"mrp": 2}, "mrp"),
    ],
)
def test_filters_in_json_that_nobody_knows_are_refused(data: dict[str, object], field: str) -> None:
    with pytest.raises(PageError) as caught:
        Filters.from_json(data)
    assert caught.value.field == field


def test_filters_in_json_that_are_no_object_are_refused() -> None:
    with pytest.raises(PageError, match="object"):
        Filters.from_json([{"mrp": 1}])  # type: ignore[arg-type]  # what a client may send


def test_a_filter_with_an_empty_list_restricts_nothing() -> None:
    assert Filters(category=()).chosen("category") == ()
    assert not Filters(mrp=True).narrowed
    assert Filters(q="x").narrowed
