"""The run: survey what is here, fetch what is not, tell what happened."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from retrieval.scripts.onefile.fetch import FULL, Brake, Settings, Worker
from retrieval.scripts.onefile.options import Options, at_terminal, chosen_folder, parsed, selector
from retrieval.scripts.onefile.packs import Packer, batches
from retrieval.scripts.onefile.paths import HTML_NAME, JSON_NAME, PARTS_FOLDER, SUMS_NAME, Unsafe, long_path, place
from retrieval.scripts.onefile.plan import CannotStart, Entry, Plan
from retrieval.scripts.onefile.report import Report, remembered
from retrieval.scripts.onefile.rights import Token, obtained, tested
from retrieval.scripts.onefile.state import FAILED, HERE, PENDING, SKIPPED, TO_CHECK, State
from retrieval.scripts.onefile.wire import Wire
from retrieval.scripts.onefile.words import Console, shown_files, shown_size

_TICK = 0.2
_SECONDS_TO_STOP = 5.0
_BYTES_PER_ROW = 1000
_MOST_ROOM = 64 * 1024 * 1024
_INTERRUPTED = "Not fetched: the run was interrupted."


class Survey(NamedTuple):
    """What is to be done: counts of files, and bytes as far as sizes are known; `room` bytes for the manifests."""

    missing: int
    protected: int
    bytes: int
    unknown: int
    room: int


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    try:
        plan = Plan(os.path.abspath(__file__))
        options = parsed(sys.argv[1:] if words is None else words, plan.header.name, plan.header.files)
        return Run(plan, options).run()
    except CannotStart as error:
        Console(quiet=True).error(f"{os.path.basename(sys.argv[0])}: {error}")
        return 2
    except KeyboardInterrupt:
        Console(quiet=True).error("Interrupted before anything was asked for.")
        return 130


class Run:
    """One run of the script."""

    def __init__(self, plan: Plan, options: Options) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", plan.header.name):
            raise CannotStart("The name of the folder in this script was edited. Download the script again.")
        self.plan = plan
        self.options = options
        self.console = Console(options.quiet)
        self.folder = chosen_folder(options, plan.header.name)
        self.state = State(plan.header.files)
        self.brake = Brake()
        self.signal = 0
        self.bytes = 0

    def run(self) -> int:
        """Do it all; returns the exit status. Raises CannotStart."""
        survey = self._survey()
        self._announce(survey)
        if self.options.dry_run:
            self._say_missing()
            return 0
        lock = self._prepared(survey)
        try:
            token = self._token(survey)
            with suppress(OSError):
                remembered(self.folder, self.plan.entries(), self.state)
            self._fetch(token)
            return self._finish()
        finally:
            self._tidy(lock)

    def _survey(self) -> Survey:
        """Look at every file of the plan: is it wanted, is it here?"""
        wanted = selector(self.options.only)
        missing = protected = size = unknown = room = 0
        for entry in self.plan.entries():
            if not wanted(entry.path):
                continue
            here = _is_here(self.folder, entry)
            code = PENDING if not here else TO_CHECK if self.options.verify else HERE
            self.state.record(entry.number, code)
            room += _BYTES_PER_ROW + 4 * (len(entry.uri) + len(entry.path))
            if not here:
                missing += 1
                protected += entry.protected
                size += entry.size or 0
                unknown += entry.size is None
        if self.options.only and not self.state.requested:
            raise CannotStart(f"No file of this script matches --only {' '.join(self.options.only)}")
        return Survey(missing, protected, size, unknown, min(room, _MOST_ROOM))

    def _announce(self, survey: Survey) -> None:
        if self.options.only:
            self.console.result(f"selected {self.state.requested} of {self.plan.header.files}")
        size = shown_size(survey.bytes) + (f" and {survey.unknown} of unknown size" if survey.unknown else "")
        here = self.state.requested - survey.missing
        self.console.note(
            f"{self.plan.header.name} from {self.plan.header.source}: {shown_files(self.state.requested)}, "
            f"{here} already here, {survey.missing} to fetch ({size}), into {self.folder}"
        )
        self.bytes = survey.bytes

    def _say_missing(self) -> None:
        for entry in self._to_do():
            size = "unknown size" if entry.size is None else shown_size(entry.size)
            token = ", needs a token" if entry.protected else ""
            verb = "check" if self.state.codes[entry.number] == TO_CHECK else "fetch"
            self.console.result(f"would {verb} {entry.path} ({size}{token}) from {entry.url}")
        todo = self.state.counts[PENDING] + self.state.counts[TO_CHECK]
        self.console.result(
            f"would fetch or check {todo} of {shown_files(self.state.requested)}; nothing was done"
        )

    def _to_do(self) -> Iterator[Entry]:
        codes = self.state.codes
        return (entry for entry in self.plan.entries() if codes[entry.number] in {PENDING, TO_CHECK})

    def _prepared(self, survey: Survey) -> int | None:
        """Make the folder; returns what keeps a second run out of it. Raises CannotStart."""
        parts = long_path(os.path.join(self.folder, PARTS_FOLDER))
        try:
            os.makedirs(parts, exist_ok=True)
            lock = os.open(os.path.join(parts, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
            if not _locked(lock):
                os.close(lock)
                raise CannotStart(f"Another run is at work in {self.folder}.")
            _reserve(os.path.join(parts, "room"), survey.room)
        except OSError as error:
            raise CannotStart(f"{self.folder} cannot be written: {error.strerror}.") from error
        free = shutil.disk_usage(parts).free
        if survey.bytes > free + self._half_done(parts):
            os.close(lock)
            raise CannotStart(
                f"{shown_size(survey.bytes)} are to be fetched, and {self.folder} has room for {shown_size(free)}. "
                "Choose another --dest, or fewer files with --only."
            )
        return lock

    def _half_done(self, parts: str) -> int:
        with os.scandir(parts) as found:
            return sum(one.stat().st_size for one in found if one.name.endswith(".part"))

    def _token(self, survey: Survey) -> Token:
        header = self.plan.header
        ask = at_terminal()
        value = obtained(self.options.token_file, header.token_page, ask) if survey.protected else ""
        token = Token(value, header.origins, header.token_check)
        if value:
            wire = Wire(self.options.timeout)
            tested(token, wire, header.token_page, ask)
            wire.close()
        elif survey.protected:
            needs = "1 file needs" if survey.protected == 1 else f"{survey.protected} files need"
            self.console.note(f"{needs} a token, and there is none: set MAST_API_TOKEN. Trying without.")
        return token

    def _fetch(self, token: Token) -> None:
        """Hand out the work, a little ahead of the workers, until all is done or the run is to end."""
        settings = Settings(self.plan.header, self.options, self.folder, _retry_delay())
        work: queue.Queue[list[Entry] | None] = queue.Queue(2 * self.options.jobs)
        workers = [Worker(settings, self.state, token, self.brake, self.console) for _ in range(self.options.jobs)]
        threads = [threading.Thread(target=_work, args=(work, worker), daemon=True) for worker in workers]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        for thread in threads:
            thread.start()
        for batch in batches(self._to_do(), self.plan.header.pack, token):
            if not self._put(work, batch):
                break
        for _ in threads:
            self._put(work, None)
        self._wait_for(threads)
        for worker in workers:
            worker.wire.break_off()
        if self.brake.stopped:
            self._wait_for(threads, _SECONDS_TO_STOP)

    def _put(self, work: queue.Queue[list[Entry] | None], batch: list[Entry] | None) -> bool:
        while not self.brake.stopped:
            with suppress(queue.Full):
                work.put(batch, timeout=_TICK)
                return True
            self._show_progress()
        return False

    def _wait_for(self, threads: Sequence[threading.Thread], seconds: float | None = None) -> None:
        end = time.monotonic() + seconds if seconds else None
        for thread in threads:
            while thread.is_alive() and (not self.brake.stopped if end is None else time.monotonic() < end):
                thread.join(_TICK)
                self._show_progress()

    def _show_progress(self) -> None:
        state = self.state
        done = state.requested - state.counts[PENDING] - state.counts[TO_CHECK]
        size = f"{shown_size(state.bytes)} of {shown_size(self.bytes)}"
        self.console.progress(f"{done} of {shown_files(state.requested)}, {size}")

    def _on_signal(self, number: int, _frame: object) -> None:
        if self.signal:
            os._exit(128 + number)
        self.signal = number
        self.brake.stop(_INTERRUPTED)

    def _finish(self) -> int:
        for entry in self._to_do():
            self.state.record(entry.number, SKIPPED, self.brake.why or "Not fetched.")
        report = Report(self.plan, self.state, self.folder)
        self._make_room()
        try:
            report.write()
            where = f"manifests: {', '.join((HTML_NAME, JSON_NAME, SUMS_NAME))} in {self.folder}"
        except OSError as error:
            where = f"the manifests could not be written: {error.strerror}"
        report.say(self.console, where)
        if self.signal:
            return 128 + self.signal
        return 0 if self.state.complete and where.startswith("manifests") else 1

    def _make_room(self) -> None:
        with suppress(OSError):
            os.unlink(long_path(os.path.join(self.folder, PARTS_FOLDER, "room")))

    def _tidy(self, lock: int | None) -> None:
        """Leave nothing but parts that a next run can go on with."""
        self._make_room()
        parts = long_path(os.path.join(self.folder, PARTS_FOLDER))
        if lock is not None:
            os.close(lock)
        with suppress(OSError):
            os.unlink(os.path.join(parts, "lock"))
        if self.state.complete and self.state.requested == self.plan.header.files:
            shutil.rmtree(parts, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(parts)
        with suppress(OSError):
            os.rmdir(long_path(self.folder))


def _is_here(folder: str, entry: Entry) -> bool:
    try:
        place_here = place(folder, entry.path)
        size = os.stat(place_here).st_size
    except (OSError, ValueError, Unsafe):
        return False
    return os.path.isfile(place_here) and entry.size in {None, size}


def _reserve(path: str, size: int) -> None:
    """Take room on the disk for the manifests: the files may fill it, and then there is something to tell."""
    with open(path, "wb") as opened:
        opened.truncate(size)
        if not size or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(opened.fileno(), 0, size)
        except OSError as error:
            if error.errno in FULL:
                raise


def _locked(lock: int) -> bool:
    if not hasattr(os, "lockf"):
        return True
    try:
        os.lockf(lock, os.F_TLOCK, 0)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def _retry_delay() -> float:
    told = os.environ.get("MAST_RETRY_DELAY", "")
    return float(told) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", told) else 1.0


def _work(work: queue.Queue[list[Entry] | None], worker: Worker) -> None:
    packer = Packer(worker)
    while not worker.brake.stopped:
        try:
            batch = work.get(timeout=_TICK)
        except queue.Empty:
            continue
        if batch is None:
            break
        try:
            packer.deliver(batch)
        except Exception as error:
            # One file must never end the run.
            for entry in batch:
                if worker.state.codes[entry.number] in {PENDING, TO_CHECK}:
                    worker.tell(entry, FAILED, f"Unexpected: {type(error).__name__}: {error}")
    worker.wire.close()


if __name__ == "__main__":
    sys.exit(main())
