"""The page of a report as people meet it: in a real browser, wide and narrow, dark and light."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployguard.history import page as histories
from deployguard.history.served import Counted, History, Span
from tests.browser.chromium import Browser, Page
from tests.unit import report_cases as cases
from tests.values import ARN

WIDTHS = (360, 800, 1400)
PAYLOAD = (
    "</script></title></style><script>document.body.innerHTML = ''</script><img src=x onerror=x>"
)
FIRST_SCREEN = 800
SHOWN = """[...document.querySelectorAll('#containers tbody tr')].filter(row => !row.hidden)
.map(row => row.id)"""
# Text of no own colour lies on the nearest background; SVG text is filled.
CONTRASTS = """(() => {
  const channels = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const told = {};
  for (const at of document.querySelectorAll('body *:not(script):not(title)')) {
    const words = [...at.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!words || !at.getClientRects().length) continue;
    const style = getComputedStyle(at);
    const ink = channels(at instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [light(ink), light(ground(at))].sort((a, b) => b - a);
    told[at.tagName + '.' + at.getAttribute('class')] = (high + 0.05) / (low + 0.05);
  }
  return told;
})()"""


@pytest.fixture(params=["fresh", "stale", "silent", "called", "no-function", "aged"])
def path(request: pytest.FixtureRequest, folder: Path) -> Path:
    """Hand out the page of a report."""
    return folder / f"{request.param}.html"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_begins_with_the_verdict(
    browser: Browser, path: Path, width: int
) -> None:
    page = browser.open(path, width=width)

    assert page.complaints == []
    assert page.loaded == [path.resolve().as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for what in (".verdict", ".lead", ".advice"):
        top = page.evaluate(f"document.querySelector('{what}').getBoundingClientRect().top")
        assert 0 <= top < FIRST_SCREEN
    wide = (
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg, details')"
    )
    beyond = f"{wide} && e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML)"
    assert page.evaluate(beyond) == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_can_be_told_from_its_ground(browser: Browser, folder: Path, dark: bool) -> None:
    page = browser.open(folder / "called.html", dark=dark)

    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


def test_everything_can_be_read_without_scripts(browser: Browser, folder: Path) -> None:
    plain = browser.open(folder / "stale.html", scripts=False)
    lively = browser.open(folder / "stale.html")

    assert plain.complaints == []
    assert plain.evaluate("document.getElementById('filter')") is None
    sections = "[...document.querySelectorAll('section')].map(e => e.innerText.trim().length > 20)"
    assert all(plain.evaluate(sections))
    rows = "document.querySelectorAll('#containers tbody tr').length"
    assert plain.evaluate(rows) == lively.evaluate(rows) == 15
    plain.evaluate("document.querySelector('summary').click()")
    assert plain.evaluate("document.querySelector('details').open") is True


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))


def test_the_keyboard_reaches_everything_and_it_shows(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "stale.html")

    page.press("Tab")
    assert 'class="skip"' in focused(page)
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    reached = []
    for _ in range(80):
        reached.append(focused(page))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", focused(page)
        page.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    for what in (
        '<a href="#timeline"',
        '<div class="scroll"',
        "<summary>",
        '<input type="search"',
        '<input type="checkbox"',
        "https://",
    ):
        assert any(what in each for each in reached), what


def test_a_summary_opens_by_the_keyboard(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "stale.html")

    page.evaluate("document.querySelector('summary').focus()")
    page.press("Enter")
    assert page.evaluate("document.querySelector('details').open") is True


def test_the_filter_shows_what_fits_in_the_table_and_in_the_picture(
    browser: Browser, folder: Path
) -> None:
    page = browser.open(folder / "stale.html")

    page.evaluate("document.querySelector('#filter input[type=search]').focus()")
    page.type("b1")
    assert page.evaluate(SHOWN) == [f"r{number}" for number in range(10)]
    assert page.evaluate("document.querySelectorAll('.row.off').length") == 5
    assert page.evaluate("document.querySelector('#filter output').value") == "10 of 15 containers"
    page.evaluate("document.querySelector('#filter input[value=stale]').click()")
    assert page.evaluate(SHOWN) == []
    page.evaluate("document.querySelector('#filter input[type=search]').value = ''")
    page.evaluate("document.querySelector('#filter input[value=stale]').click()")
    assert len(page.evaluate(SHOWN)) == 15


def test_a_row_under_the_pointer_is_told_and_shown_in_the_table(
    browser: Browser, folder: Path
) -> None:
    page = browser.open(folder / "stale.html")

    where = page.evaluate(
        "(r => [r.left + 5, r.top + r.height / 2])"
        "(document.querySelector('#t0 rect').getBoundingClientRect())"
    )
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=where[0], y=where[1])
    assert page.evaluate("document.querySelector('tr.lit').id") == "r0"
    assert "stale, build b1" in page.evaluate("document.getElementById('readout').textContent")


def test_hostile_text_stays_text_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(cases.page(cases.spoiled(cases.CASES["called"](), PAYLOAD)), encoding="utf-8")
    page = browser.open(path)

    assert page.complaints == []
    assert page.loaded == [path.resolve().as_uri()]
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.images.length") == 0
    assert PAYLOAD[:60] in page.evaluate("document.body.innerText")


def test_a_script_that_got_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The policy is a second wall; here the first one is taken away."""
    path = tmp_path / "broken.html"
    written = cases.page(cases.CASES["fresh"]())
    attack = "<script>document.title = 'owned'</script><img src=//evil.example onerror=x>"
    path.write_text(written.replace("<main>", f"<main>{attack}"), encoding="utf-8")
    page = browser.open(path)

    assert page.evaluate("document.title") != "owned"
    assert len([each for each in page.complaints if "Content Security Policy" in each]) >= 2


@pytest.mark.parametrize("scripts", [True, False])
def test_a_thousand_containers_open_soon(browser: Browser, tmp_path: Path, scripts: bool) -> None:
    path = tmp_path / "many.html"
    path.write_text(cases.page(cases.report(cases.stale_evidence(500, 500))), encoding="utf-8")
    page = browser.open(path, width=360, scripts=scripts)

    assert page.complaints == []
    assert page.evaluate("document.querySelectorAll('.row').length") == 1_000
    height = page.evaluate("document.querySelector('#timeline svg').viewBox.baseVal.height")
    assert height < 1_000 * 4
    took = json.loads(
        page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])")
    )
    assert took["loadEventEnd"] < 10_000  # milliseconds, on a busy machine


def test_printed_it_keeps_its_pictures_and_drops_what_paper_cannot_do(
    browser: Browser, folder: Path
) -> None:
    page = browser.open(folder / "stale.html", dark=True)
    page.call("Emulation.setEmulatedMedia", media="print")

    for what, is_shown in (("#timeline svg", True), ("nav", False), ("#filter", False)):
        boxes = page.evaluate(f"document.querySelector('{what}').getClientRects().length")
        assert bool(boxes) is is_shown
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.call("Page.printToPDF", printBackground=True)["data"]) > 10_000


def test_the_page_of_a_history_opens_without_a_complaint(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "history.html"
    past = History(ARN, Span(0.0, 3_600.0), Counted.CONTAINERS, ())
    path.write_text(histories.html(past), encoding="utf-8")
    page = browser.open(path, width=360)

    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
