"""`bench`: measure every figure of docs/benchmarks.md again, from scratch, in a database of its own."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.core.management.base import BaseCommand, CommandError

import basket.benchmarks
import retrieval.benchmarks
from portal.benchmark import Figure, scratch_database

PACKAGES = (basket.benchmarks, retrieval.benchmarks)
VERDICTS = {True: "met", False: "MISSED", None: ""}


def modules() -> dict[str, list[str]]:
    """The modules behind each name that may be asked for: all of an application, or one by its own name."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            application, own = module.name.split(".")[0], module.name.rpartition(".")[2]
            for name in {application, own}:
                found.setdefault(name, []).append(module.name)
    return found


class Command(BaseCommand):
    """Ratios to references that are measured in the same run: they can be compared between machines."""

    help = "Measure the figures of docs/benchmarks.md again; each is a ratio to a reference of the same run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which of them, and how thoroughly."""
        parser.add_argument("name", nargs="*", help="one or more of them (default: all)")
        parser.add_argument("--quick", action="store_true", help="smaller amounts and fewer rounds")

    def handle(self, *, name: list[str], quick: bool, **_options: Any) -> None:
        """Print a line per figure as soon as it is known. Exit 1 when a goal was missed."""
        known = modules()
        unknown = sorted(set(name) - set(known))
        if unknown:
            raise CommandError(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(sorted(known))}.")
        wanted = dict.fromkeys(module for one in name or sorted(known) for module in known[one])
        with scratch_database():
            missed = sum(self.tell(figure) for module in wanted for figure in self.figures(module, quick=quick))
        if missed:
            sys.exit(1)

    def figures(self, module: str, *, quick: bool) -> Iterator[Figure]:
        """The figures of one module, under its name."""
        self.stdout.write(f"\n{module}")
        try:
            measured = import_module(module).figures(quick=quick)
        except ModuleNotFoundError as error:
            self.stdout.write(f"  not run: {error.name} is not installed (the dependency group `bench`)")
            return
        yield from measured

    def tell(self, figure: Figure) -> bool:
        """One line; true when its goal was missed."""
        goal = f"{figure.goal:>10} {VERDICTS[figure.met]:<6}"
        self.stdout.write(f"  {figure.what:<72} {figure.value:>12,.2f} {goal} {figure.note}".rstrip())
        self.stdout.flush()
        return figure.met is False
