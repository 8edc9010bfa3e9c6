"""Foreign text stays text in every form of a report, for a strict reader of each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deployguard import ci, safe
from deployguard.errors import ConfigurationError
from deployguard.report.forms import FORMS
from deployguard.report.renderers import render
from tests.unit import runner
from tests.unit.form_cases import attesting, saying
from tests.unit.hostile import COMMANDS, TEXTS, foreign

HARMLESS = "word"
# The forms that are made of workflow commands, and what these may be.
OURS = {"github": {"error", "warning"}}
BLOCKS = {"paragraph", "heading", "fence", "inline", "bullet_list", "list_item", "table"}
BLOCKS |= {"thead", "tbody", "tr", "th", "td"}
SPANS = {"text", "html_inline", "strong", "softbreak"}
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """The elements of a page with their attributes' names, and the text that is code."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: set[str] = set()
        self.code: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape |= {tag, *(f"{tag} {name}" for name, _ in attrs)}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape |= {tag, *(f"{tag} {name}" for name, _ in attrs)}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"}:
            self.code.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def read_json(text: str, _harmless: str) -> None:
    assert text.isascii()
    json.loads(text)


def read_xml(text: str, harmless: str) -> None:
    assert shape(text) == shape(harmless)


def shape(text: str) -> set[str]:
    return {
        part
        for element in ET.fromstring(text).iter()  # noqa: S314 - our own
        for part in (element.tag, *(f"{element.tag} {name}" for name in element.attrib))
    }


def read_html(text: str, harmless: str) -> None:
    found, expected = Page(text), Page(harmless)
    assert found.shape <= expected.shape
    assert found.code == expected.code
    assert found.open == []


def read_markdown(text: str, _harmless: str) -> None:
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        assert token.type.removesuffix("_open").removesuffix("_close") in BLOCKS, token
        for span in token.children or ():
            read_span(span, spans=SPANS | ({"em"} if "_Cut here: " in text else set()))


def read_span(span: Token, *, spans: set[str]) -> None:
    assert span.type.removesuffix("_open").removesuffix("_close") in spans, span
    assert span.type != "html_inline" or span.content in ("<code>", "</code>")


def read_dotenv(text: str, _harmless: str) -> None:
    assert len(text.encode()) < 5_000
    for line in text.splitlines():
        assert re.fullmatch(r"GUARD_[A-Z_]+=[A-Za-z0-9._:/@+-]+", line)


def read_log(_text: str, _harmless: str) -> None:
    """Read nothing else than what `assert_harmless` does for every form."""


READERS: Mapping[str, Callable[[str, str], None]] = {
    ".json": read_json,
    ".xml": read_xml,
    ".svg": read_xml,
    ".html": read_html,
    ".md": read_markdown,
    ".env": read_dotenv,
    ".txt": read_log,
}


def rendered(form: str, text: str) -> str:
    """Render a report that says this text all over; a statement is made of evidence alone."""
    return render(attesting(text) if form == "in-toto" else saying(text), form)


ORDINARY = {form: rendered(form, HARMLESS) for form in FORMS}


def assert_stays_text(text: str) -> None:
    """Read every form of a report that says this text as its surface does."""
    for form in FORMS:
        try:
            shown = rendered(form, text)
        except ConfigurationError:
            assert form == "in-toto"  # the text is none that evidence can hold
            continue
        shown.encode()
        assert not [char for char in shown if runner.is_hidden(char)], form
        assert {command.name for command in runner.commands(shown)} <= OURS.get(form, set()), form
        assert not re.search(r"##\w*\[", shown), form
        READERS[PurePath(FORMS[form].file).suffix](shown, ORDINARY[form])


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:40])
def test_hostile_text_stays_text_in_every_form(text: str) -> None:
    assert_stays_text(text)


@settings(max_examples=60)
@given(foreign())
def test_any_text_stays_text_in_every_form(text: str) -> None:
    assert_stays_text(text)


def test_there_are_many_hostile_texts_and_each_form_has_a_renderer() -> None:
    assert len(set(TEXTS)) >= 60
    assert all(ORDINARY.values())


@pytest.mark.parametrize("text", ["</b>", '"', "<!--", "<script>x</script>"])
def test_the_readers_here_object_to_what_is_not_made_safe(text: str) -> None:
    with pytest.raises((AssertionError, ET.ParseError)):
        read_xml(f'<a b="{text}">{text}</a>', "<a b=''/>")
    with pytest.raises(AssertionError):
        read_html(f'<p title="{text}">{text}</p>', "<p title=''></p>")


@pytest.mark.parametrize("text", ["![x](y)", "*x*", "~~x~~", "<b>", "`x`", "> x", "<div>"])
def test_the_reader_of_markdown_objects_to_markup(text: str) -> None:
    with pytest.raises(AssertionError):
        read_markdown(text, "")
    read_markdown(f"a {safe.prose(text)} {safe.markdown(text)}", "")


def test_the_words_of_a_sentence_stay_words() -> None:
    said = "Not every route runs the build b2: 99.5% of 12 probes (so far), it's done."
    assert safe.prose(said) == said
    assert safe.prose("use `--grace 120` on $LATEST, or a@b.") == (
        "use <code>--grace 120</code> on <code>&#36;LATEST</code>, or <code>a&#64;b</code>."
    )


@pytest.mark.parametrize("payload", COMMANDS)
def test_hostile_text_forms_no_command(payload: str) -> None:
    runner.assert_harmless(payload)


@given(foreign())
def test_no_text_forms_a_command(text: str) -> None:
    runner.assert_harmless(text)


@pytest.mark.parametrize("payload", ["::error::x", " ::debug::x", "a\r::error::x", "b ##[error]x"])
def test_the_runner_here_acts_on_what_is_not_neutralised(payload: str) -> None:
    assert runner.commands(payload)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::123456789012:role/deploy",
        "sha256:0123 at 12:30:01\nnext line\ttabbed",
        "# heading [link](x) ## more",
        "Ünïcödé, 日本語 and 🚀",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert safe.log(text) == text


@given(foreign())
def test_a_line_is_one_line(text: str) -> None:
    assert len(safe.line(text).splitlines()) <= 1
    assert len(safe.short(text * 20)) <= 200


@given(st.dictionaries(st.sampled_from(ci.OUTPUTS), foreign()))
def test_outputs_reach_the_next_step_unchanged(outputs: dict[str, str]) -> None:
    text = safe.outputs(outputs, token="0123456789abcdef")
    assert runner.outputs(text) == outputs


def test_an_output_cannot_add_another() -> None:
    value = "42\nEOF\nverdict=FRESH\nverdict<<EOF\nFRESH\nEOF"
    assert runner.outputs(safe.outputs({"version": value}, token="t0")) == {"version": value}


def test_an_output_that_holds_its_delimiter_is_refused() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        safe.outputs({"version": "x\ndeployguard_t0\ny"}, token="t0")


@given(foreign())
def test_a_document_is_read_back_as_it_was(text: str) -> None:
    document: dict[str, Any] = {text: [text, {"x": text}]}
    assert json.loads(safe.json(document)) == document
