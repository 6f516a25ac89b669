"""The command that measures: what it can be asked for, and what it says."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portal.benchmark import at_least, at_most, medians
from retrieval.management.commands.bench import Command, modules


def test_an_unknown_benchmark_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(CommandError, match="There is no benchmark 'baskets'"):
        call_command("bench", "baskets", stdout=StringIO())


def test_every_benchmark_can_be_asked_for_by_its_own_name_or_by_its_application() -> None:
    for names in modules().values():
        for name in names:
            own, application = name.rpartition(".")[2], name.split(".")[0]
            assert name in modules()[own]
            assert name in modules()[application]


def test_a_missed_goal_is_told_and_counted() -> None:
    out = StringIO()
    command = Command(stdout=out)
    assert command.tell(at_most("page against its floor", 1.6, 1.5, "read"))
    assert not command.tell(at_least("select all against a row per file", 800, 500))
    missed, met = out.getvalue().splitlines()
    assert missed.split() == ["page", "against", "its", "floor", "1.60", "≤", "1.5", "MISSED", "read"]
    assert "800.00" in met
    assert met.endswith("met")


def test_contestants_take_turns() -> None:
    turns: list[str] = []
    medians(3, {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")})
    assert turns == ["a", "b"] * 3
