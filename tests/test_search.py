"""Searching the catalogue: what matches, in which order, and what is told when a question makes no sense."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from portal.archives.base import OBSERVATION_COLUMNS
from portal.errors import Problem
from portal.search import Results, Search, matching, parse_query, program_ids, radius_in_words
from tests.sky_catalogue import observe, square

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=5)
pytestmark = pytest.mark.django_db


def found(query: str) -> list[str]:
    return [observation.obs_id for observation in matching(query, NOW)]


def problem(query: str) -> Problem:
    with pytest.raises(Problem) as caught:
        found(query)
    return caught.value


def test_a_position_matches_footprints_that_the_circle_touches_not_centres() -> None:
    observe(obs_id="wide", s_ra=10.0, s_dec=20.0, s_region=square(10, 20, 1))
    observe(obs_id="elsewhere", s_ra=15.0, s_dec=20.0, s_region=square(15, 20, 1))
    assert found("target=10.9+20.0+r=1m") == ["wide"]
    assert found("target=11.5+20.0+r=1m") == []


def test_a_corner_of_the_bounding_circle_outside_the_footprint_does_not_match() -> None:
    observe(obs_id="sliver", s_region="POLYGON ICRS 10 20 12 20 12 20.01 10 20.01")
    assert found("target=11+20.5+r=10m") == []
    assert found("target=11+20.1+r=10m") == ["sliver"]


def test_an_observation_without_a_footprint_is_found_by_its_position() -> None:
    observe(obs_id="point", s_ra=83.82, s_dec=-5.39)
    assert found("ra=83.82&dec=-5.39&radius=1s") == ["point"]
    assert found("ra=83.9&dec=-5.39&radius=1s") == []


def test_a_position_and_a_radius_may_be_given_apart() -> None:
    observe(obs_id="here", s_ra=0.01, s_dec=0.0)
    assert found("ra=359.99&dec=0&radius=2m") == ["here"]


def test_nearest_comes_first() -> None:
    observe(obs_id="far", s_ra=10.04, s_dec=0.0)
    observe(obs_id="near", s_ra=10.01, s_dec=0.0)
    assert found("target=10.0+0.0+r=0.1d") == ["near", "far"]


def test_a_name_is_resolved_without_network_and_the_source_is_told() -> None:
    observe(obs_id="ring", s_ra=283.396, s_dec=33.029)
    search = parse_query("target=m57+r=1m")
    assert found("target=M+57") == ["ring"]
    assert "built-in list" in search.resolved
    assert "radius 1′" in search.resolved


def test_a_target_of_the_catalogue_itself_is_a_name_too() -> None:
    observe(obs_id="field", target_name="MY-DEEP-FIELD-7", s_ra=53.1, s_dec=-27.8)
    assert found("target=my-deep-field-7") == ["field"]


def test_an_unknown_name_is_told_with_the_other_way() -> None:
    error = problem("target=Xyzzy+Nebula")
    assert error.field == "target"
    assert "Xyzzy Nebula" in error.message
    assert "position" in error.message


def test_a_misspelt_name_is_answered_with_the_nearest_known() -> None:
    assert "CARINA NEBULA" in problem("target=Carina+Nebla").message


@pytest.mark.parametrize(
    "query", ["target=m57+r%3Dabc", "target=10+95", "ra=10&dec=95", "ra=10", "radius=-1&target=m57"]
)
def test_a_senseless_position_is_refused_with_its_field_and_a_way_forward(query: str) -> None:
    error = problem(query)
    assert error.field in {"target", "ra", "dec", "radius", "r"}
    assert len(error.message) > 30


def test_programs_are_found_with_or_without_leading_zeros() -> None:
    observe(obs_id="a", proposal_id="2733")
    observe(obs_id="b", proposal_id="0625")
    observe(obs_id="c", proposal_id="12733")
    assert found("program=02733") == ["a"]
    assert found("program=2733,625") == ["a", "b"]
    assert found("program=2733+12733") == ["a", "c"]


def test_program_ids_may_be_parted_by_anything_usual() -> None:
    assert set(program_ids("1; 2,3 4")) >= {"1", "2", "3", "4"}
    with pytest.raises(Problem):
        program_ids(" , ")


def test_columns_take_values_wildcards_members_of_lists_and_ranges() -> None:
    observe(obs_id="a", filters="CLEAR;F090W", t_exptime=100.0)
    observe(obs_id="b", filters="F090W2", t_exptime=200.0)
    assert found("filters=F090W") == ["a"]
    assert found("filters=f090*") == ["a", "b"]
    assert found("t_exptime=150..") == ["b"]
    assert found("t_exptime=..150") == ["a"]
    assert found("t_exptime=100..200") == ["a", "b"]
    assert problem("t_exptime=long").field == "t_exptime"


def test_a_column_that_does_not_exist_is_named() -> None:
    error = problem("colour=red")
    assert error.field == "colour"
    assert "obs_collection" in error.message


def test_marks_follow_the_date_of_release() -> None:
    observe(obs_id="exclusive", dataRights="EXCLUSIVE_ACCESS", t_obs_release=62000.0)
    observe(obs_id="released", dataRights="EXCLUSIVE_ACCESS", t_obs_release=60000.0)
    observe(obs_id="planned", calib_level=-1, dataRights="", t_obs_release=None)
    assert found("access=exclusive") == ["exclusive"]
    assert found("access=planned") == ["planned"]
    assert found("access=public") == ["released"]


def test_archives_that_are_not_configured_are_not_searched() -> None:
    observe(obs_id="remote", archive="mast")
    assert found("collection=JWST") == []


def test_a_facet_leaves_its_own_choice_out_and_obeys_the_others() -> None:
    observe(instrument_name="NIRCAM/IMAGE", dataproduct_type="image")
    observe(instrument_name="NIRCAM/IMAGE", dataproduct_type="image")
    observe(instrument_name="NIRSPEC/MSA", dataproduct_type="spectrum")
    facets = {facet.name: facet for facet in Results(parse_query("dataproduct_type=image"), NOW).facets()}
    types = {value.value: (value.count, value.active) for value in facets["dataproduct_type"].values}
    assert types == {"image": (2, True), "spectrum": (1, False)}
    assert [(value.value, value.count) for value in facets["instrument_name"].values] == [("NIRCAM/IMAGE", 2)]


def test_every_facet_value_leads_to_as_many_observations_as_it_says() -> None:
    for instrument, level, rights in [
        ("A", 3, "PUBLIC"),
        ("A", 2, "EXCLUSIVE_ACCESS"),
        ("B", -1, ""),
        ("", None, "PUBLIC"),
    ]:
        observe(instrument_name=instrument, calib_level=level, dataRights=rights, t_obs_release=62000.0)
    for facet in Results(parse_query("collection=JWST"), NOW).facets():
        for value in facet.values:
            if not value.active:
                assert len(found(value.query)) == value.count, (facet.name, value)


@given(
    collection=st.lists(WORDS, unique=True, max_size=3),
    columns=st.dictionaries(
        st.sampled_from(OBSERVATION_COLUMNS),
        st.lists(WORDS, unique=True, min_size=1, max_size=2),
        max_size=3,
    ),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_a_search_survives_the_trip_through_its_query_string(
    collection: list[str], columns: dict[str, list[str]]
) -> None:
    search = Search(
        collection=tuple(collection),
        columns=tuple((name, tuple(columns[name])) for name in OBSERVATION_COLUMNS if name in columns),
    )
    assert parse_query(search.query()) == search


def test_radii_are_told_in_the_unit_that_reads_best() -> None:
    assert [radius_in_words(value) for value in (2.0, 0.05, 0.001)] == ["2°", "3′", "3.6″"]
