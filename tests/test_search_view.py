"""The search page: what it shows, and what it answers when a question makes no sense."""

import pytest
from django.test import Client

from tests.sky_catalogue import observe

pytestmark = pytest.mark.django_db


def page(client: Client, query: str, status: int = 200) -> str:
    answer = client.get(f"/?{query}")
    assert answer.status_code == status
    return answer.content.decode()


def test_the_first_page_offers_searches_that_work(client: Client) -> None:
    assert "target=M57" in page(client, "")


def test_results_show_mission_name_target_and_mark(client: Client) -> None:
    observe(obs_id="jw99001-o001_t001_nircam", target_name="NGC-6720", s_ra=283.396, s_dec=33.029)
    observe(obs_id="jw99002", s_ra=283.396, s_dec=33.029, dataRights="EXCLUSIVE_ACCESS", t_obs_release=62000.0)
    observe(obs_id="jw99003", s_ra=283.396, s_dec=33.029, calib_level=-1, dataRights="")
    shown = page(client, "target=M57")
    assert "jw99001-o001_t001_nircam" in shown
    assert "until 2028-08-17" in shown
    assert "planned" in shown


def test_a_senseless_radius_is_told_beside_the_field_and_nothing_typed_is_lost(client: Client) -> None:
    shown = page(client, "target=m57+r%3Dabc&program=2733", 422)
    assert "r=abc" in shown
    assert 'value="m57 r=abc"' in shown
    assert 'value="2733"' in shown


def test_a_target_that_nobody_knows_is_told(client: Client) -> None:
    assert "known here" in page(client, "target=Xyzzy", 422)


def test_names_that_are_no_columns_do_not_break_a_link_from_elsewhere(client: Client) -> None:
    observe(obs_id="jw99001")
    assert "jw99001" in page(client, "collection=JWST&utm_source=mail")


def test_a_page_number_that_makes_no_sense_is_a_page_all_the_same(client: Client) -> None:
    observe(obs_id="jw99001")
    for number in ("0", "-1", "99999999999999999999", "x", "²"):
        assert "jw99001" in page(client, f"collection=JWST&page={number}")


def test_hostile_text_is_shown_as_text(client: Client) -> None:
    observe(obs_id="jw99001", target_name="<script>alert(1)</script>")
    shown = page(client, "collection=JWST&target=")
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_nul_bytes_in_a_question_are_no_server_error(client: Client) -> None:
    for name in ("target", "program", "collection", "obs_id"):
        assert client.get("/", {name: "a\x00b"}).status_code < 500


def test_an_observation_has_a_page_with_all_its_columns(client: Client) -> None:
    observe(obsid="123", obs_id="jw99001", t_exptime=100.5)
    shown = client.get("/observation/local/123/").content.decode()
    assert "jw99001" in shown
    assert "100.5" in shown
    assert client.get("/observation/local/124/").status_code == 404


def test_signs_of_life(client: Client) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
