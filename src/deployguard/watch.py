"""The edge to whoever watches: a live view on a terminal, and plain lines or groups in a log.

The terminal is left as it is found at any moment: no mode of it is changed, and its cursor stays
visible, so that nothing has to be restored whatever ends this process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from deployguard import live, safe
from deployguard.ci import Provider
from deployguard.console import Sight, Writer, sight
from deployguard.live import LETTERS, PICTURES, View
from deployguard.progress import Detail, Event, Said, Saw, Step, Tell
from deployguard.style import Page, Row, width

TURN_S = 0.2


@contextmanager
def opened(
    stream: TextIO,
    environ: Mapping[str, str],
    *,
    verbosity: str,
    doing: str,
    timeout_s: float,
) -> Iterator[Tell]:
    """Hand out what takes a run's events; what it began to show is ended with the block."""
    seen = sight(stream, environ)
    out = Writer(stream)
    is_verbose = verbosity == "verbose"
    if verbosity == "quiet":
        yield lambda _: None
    elif seen.is_terminal:
        screen = Screen(out, seen, View(doing), timeout_s=timeout_s, is_verbose=is_verbose)
        with screen.painted():
            yield _harmless(screen.tell, out)
    else:
        log = Log(out, seen, is_verbose=is_verbose)
        try:
            yield _harmless(log.tell, out)
        finally:
            log.close()


def _harmless(tell: Tell, out: Writer) -> Tell:
    """Show no more rather than end a run that changes things, such as one that puts back."""
    failed = threading.Event()

    def told(event: Event) -> None:
        if failed.is_set():
            return
        try:
            tell(event)
        except Exception as bug:
            failed.set()
            out.write(f"nothing more is shown, for a bug: {type(bug).__name__}\n")

    return told


def lines(event: Event, *, is_verbose: bool) -> Iterator[str]:
    """Yield what an event says to a reader of lines."""
    match event:
        case Said(text):
            yield text
        case Saw(last, evidence):
            yield live.round_line(last, evidence)
            if is_verbose:
                yield from live.probe_lines(last, evidence)
        case Detail(text) if is_verbose:
            yield text
        case _:
            pass


class Log:
    """Plain lines with their time, in a group for each step where the CI service has those."""

    def __init__(self, out: Writer, seen: Sight, *, is_verbose: bool) -> None:
        """Begin outside of any group."""
        self._out, self._seen, self._is_verbose = out, seen, is_verbose
        self._group = ""
        self._count = 0
        self._lock = threading.RLock()

    def tell(self, event: Event) -> None:
        """Write what an event says."""
        with self._lock:
            if isinstance(event, Step):
                self.close()
                self._begin(event.title)
            for line in lines(event, is_verbose=self._is_verbose):
                now = datetime.now(UTC).strftime("%H:%M:%S")
                text = Row(f"{now} ", line).on(Page(colour=self._seen.colour))
                self._out.write("\n".join(text) + "\n")

    def close(self) -> None:
        """End the group that is open."""
        with self._lock:
            if not self._group:
                return
            group, self._group = self._group, ""
            if self._seen.provider is Provider.GITHUB:
                self._out.write(safe.group_end())
            elif self._seen.provider is Provider.GITLAB:
                self._out.write(safe.section_end(group, at=int(time.time())))

    def _begin(self, title: str) -> None:
        self._count += 1
        self._group = f"deployguard_{self._count}"
        match self._seen.provider:
            case Provider.GITHUB:
                self._out.write(safe.group(title))
            case Provider.GITLAB:
                self._out.write(safe.section(self._group, title, at=int(time.time())))
            case _:
                now = datetime.now(UTC).strftime("%H:%M:%S")
                self._out.write(f"{now} {safe.line(title)}\n")


class Screen:
    """The lower lines of a terminal, painted anew with each event and five times a second."""

    def __init__(
        self, out: Writer, seen: Sight, view: View, *, timeout_s: float, is_verbose: bool
    ) -> None:
        """Paint nothing yet."""
        self._out, self._seen, self._is_verbose = out, seen, is_verbose
        self._view, self._timeout_s = view, timeout_s
        self._symbols = PICTURES if out.can("".join(PICTURES.states.values())) else LETTERS
        self._began = time.monotonic()
        self._shown: list[str] = []
        self._has_step = False
        self._ended = threading.Event()
        self._lock = threading.RLock()

    @contextmanager
    def painted(self) -> Iterator[None]:
        """Keep the view alive for the block, and take it away at its end."""
        painter = threading.Thread(target=self._turn, name="deployguard-view", daemon=True)
        painter.start()
        try:
            yield
        finally:
            self._ended.set()
            if self._end_step():
                self._out.write("\n")

    def tell(self, event: Event) -> None:
        """Let what stays scroll up, and paint the view below it."""
        with self._lock:
            if isinstance(event, Step):
                self._end_step()
                self._has_step = True
            self._view = live.after(self._view, event, now=self._now)
            if isinstance(event, Saw) and not self._is_verbose:
                self._paint()
            else:
                told = lines(event, is_verbose=self._is_verbose)
                self._paint([part for line in told for part in Row("  ", line).on(self._page)])

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    @property
    def _page(self) -> Page:
        columns = self._out.size.columns
        return Page(max(8, columns - 1), self._seen.colour, is_grid=True)

    def _turn(self) -> None:
        while not self._ended.wait(TURN_S):
            with self._lock:
                if not self._ended.is_set():
                    self._paint()

    def _end_step(self) -> bool:
        """Let the step that is over scroll up; return whether there was one."""
        with self._lock:
            stays: list[str] = []
            if self._has_step:
                stays = live.finished(
                    self._view, now=self._now, page=self._page, symbols=self._symbols
                )
            self._has_step = False
            self._put(stays, [])
            return bool(stays)

    def _paint(self, above: list[str] | None = None) -> None:
        height = self._out.size.lines - 1
        shown = live.frame(
            self._view,
            now=self._now,
            left=self._timeout_s - self._now,
            height=height,
            page=self._page,
            symbols=self._symbols,
        )
        self._put(above or [], shown)

    def _put(self, stays: list[str], shown: list[str]) -> None:
        """Write lines where the frame was, and a frame below them; in one piece, not to flicker."""
        columns = self._out.size.columns
        # NOTE: a terminal that became narrower has broken the lines that are there already.
        rows = sum(max(1, -(-width(live.bare(line)) // columns)) for line in self._shown)
        self._shown = shown
        back = f"\x1b[{rows}A" if rows else ""
        self._out.write(f"\r{back}\x1b[J" + "".join(f"{line}\n" for line in (*stays, *shown)))
