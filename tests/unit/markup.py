"""A strict look at a page: what it is made of, and what it says."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from typing import Any

VOID = {"meta"}
RAW = {"script", "style"}


class Look(HTMLParser):
    """Reads a page, and refuses elements that are not closed where they should be."""

    def __init__(self, page: str) -> None:
        """Read it."""
        super().__init__(convert_charrefs=True)
        self.made: list[tuple[str, tuple[str, ...]]] = []  # each tag with its attributes' names
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in RAW:
            self.raw[self._open[-1]] = self.raw.get(self._open[-1], "") + data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = tuple(name for name, _ in attrs)
        assert len(set(names)) == len(names), names
        self.made.append((tag, names))
        self.attributes.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def tags(self) -> Counter[str]:
        """Return how often each element is there."""
        return Counter(tag for tag, _ in self.made)

    def all(self, attribute: str) -> list[str]:
        """Return every value of an attribute."""
        return [attrs[attribute] for _, attrs in self.attributes if attribute in attrs]

    def of(self, tag: str) -> list[dict[str, Any]]:
        """Return the attributes of every element of a kind."""
        return [attrs for name, attrs in self.attributes if name == tag]
