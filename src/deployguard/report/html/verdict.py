"""What a reader has to know in ten seconds: the verdict, what it means, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deployguard import safe
from deployguard.findings import HELP, KINDS
from deployguard.model import Finding, Severity, State
from deployguard.pages.markup import Markup, el, short
from deployguard.report.html.lives import Life, many

LONGEST = 4_000  # characters of a part of a finding
MOST = 100  # findings that are listed; only a fleet has as many
PARTS = ("seen", "expected", "cause", "fix")


def render(report: Mapping[str, Any], told: Sequence[Life], found: Sequence[Finding]) -> Markup:
    """Return the head of the page."""
    function = next(iter(report["functions"]), None)
    serves = [el("p", short(serving(function), 400))] if function and serving(function) else []
    why = (f"{_claims(function)}; see ", el("a", "what this covers", href="#coverage"))
    rest = (*serves, *advice(found, why=why))
    return head(report, name(function), sentence(report, told), *rest)


def head(report: Mapping[str, Any], named: str, said: str, *rest: Markup) -> Markup:
    """Return the verdict on what is named, what it means, and the rest."""
    verdict = report["verdict"] or "DONE"
    about = f"{report['command']} · {report['started'][:19].replace('T', ' ')} UTC"
    ended = f"{report['seconds']:.1f} s · exit code {report['exit_code']}"
    return el(
        "header",
        el("p", f"{about} · {ended}", class_="dim"),
        el(
            "h1",
            el("span", verdict, class_=f"verdict {verdict.lower()}"),
            " ",
            el("span", named, class_="of"),
        ),
        el("p", said, class_="lead"),
        *rest,
        id="verdict",
    )


def name(function: Mapping[str, Any] | None) -> str:
    """Name what was judged, as briefly as people do."""
    if function is None:
        return "no function was read"
    bare = safe.line(function["function"]).rpartition(":")[2]
    return short(f"{bare} · alias {function['alias']}" if function["alias"] else bare, 200)


def sentence(report: Mapping[str, Any], told: Sequence[Life]) -> str:
    """Say in one sentence what the verdict means here."""
    error, function = report["error"], next(iter(report["functions"]), None)
    if error is not None or function is None:
        return short(error["happened"] if error else "Nothing was judged.", LONGEST)
    build = short(function["expected"]["build_id"] or "of an unknown id", 60)
    routes = _traffic(function["routes"])
    match report["verdict"]:
        case "FRESH":
            callers = f"Callers of {_listed(routes)}"
            return f"{callers} reach the build that was shipped, {build}, and no other."
        case "STALE":
            return _stale(told, build, [name for name, ruled in routes.items() if ruled == "STALE"])
        case "SUPERSEDED":
            return "Somebody else changed the function meanwhile, so this run says nothing of it."
        case _:
            return (
                f"It is not shown that callers of {_listed(routes)} reach the build that was "
                f"shipped, {build}; nor that they reach an older one."
            )


def _stale(told: Sequence[Life], build: str, qualifiers: Sequence[str]) -> str:
    old = [life for life in told if life.state is State.STALE]
    if not old:
        where = _listed(qualifiers)
        return f"Traffic of {where} ends at another image than the one that was shipped, {build}."
    others = list(dict.fromkeys(life.build_id or "unknown" for life in old))
    which = f"build {short(others[0], 60)}" if len(others) == 1 else f"{len(others)} other builds"
    which_of = f"{len(old)} of {many(len(told), 'container')} that answered"
    asked = dict.fromkeys(qualifier for life in old for qualifier in life.qualifiers)
    where = f"They answer callers of {_listed(asked)}."
    if others == [build]:
        return f"{which_of} should have been replaced and were not; they run {which}, too. {where}"
    return f"{which_of} run {which}, and not {build}, which was shipped. {where}"


def _traffic(routes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the verdict of each qualifier; a version that only we ask is left out of it."""
    ruled = {route["qualifier"]: route["verdict"] for route in routes}
    named = {qualifier: said for qualifier, said in ruled.items() if not qualifier.isdigit()}
    return named or ruled


def serving(function: Mapping[str, Any]) -> str:
    """Say what the alias serves now, and what it served before."""
    version, alias = function["version"], function["alias"]
    now, before = version["after"] or version["before"], version["before"]
    if not alias or not now:
        return ""
    published = version["published"]
    if now != before:
        was = f"version {before}" if before else "nothing"
        return f"Alias {alias} serves version {now} now; before, it served {was}."
    kept = (
        f"; version {published} was published and is not live"
        if published not in (None, now)
        else ""
    )
    return f"Alias {alias} serves version {now}, as before{kept}."


def advice(found: Sequence[Finding], *, why: Sequence[str]) -> Iterator[Markup]:
    """Yield what to do first, and where nothing is wrong, why that is so."""
    errors = [each for each in found if each.severity is Severity.ERROR]
    if not errors:
        facts = [el("dt", "Why"), el("dd", *why)]
        more = f", but for {many(len(found), 'warning')} below" if found else ""
        yield el("dl", *facts, el("dt", "Do"), el("dd", f"Nothing{more}."), class_="advice")
        return
    first, rest = errors[0], len(found) - 1
    facts = [
        el("dt", "Why"),
        el("dd", el("strong", _title(first)), f"\n{_cut(first.cause)}"),
    ]
    if first.fix:
        facts += [el("dt", "Do"), el("dd", _cut(first.fix))]
    if first.command:
        facts += [el("dt", "Run"), el("dd", _command(first.command))]
    yield el("dl", *facts, class_="advice")
    if rest:
        yield el("p", el("a", f"{rest} more below", href="#findings"))


def _claims(function: Mapping[str, Any] | None) -> str:
    """Say what the verdict rests on, such as "exhaustive on $LATEST"."""
    by_claim: dict[str, list[str]] = {}
    for route in function["routes"] if function else ():
        by_claim.setdefault(route["coverage"]["claim"], []).append(route["qualifier"])
    told = (f"{claim} on {_listed(on)}" for claim, on in by_claim.items())
    return ", ".join(told) or "nothing was asked"


def findings(found: Sequence[Finding]) -> Iterator[Markup]:
    """Yield each finding with all that is known of it."""
    if not found:
        yield el("p", "Nothing was found.")
    for each in found[:MOST]:
        facts = [
            fact
            for part in PARTS
            if (words := getattr(each, part))
            for fact in (el("dt", part), el("dd", _cut(words)))
        ]
        if each.command:
            facts += [el("dt", "run"), el("dd", _command(each.command))]
        if each.help:
            facts += [el("dt", "help"), el("dd", _help(each.help))]
        kind = each.severity.value
        title = el("h3", el("span", kind, class_=f"tag {kind}"), f" {_title(each)}")
        yield el("article", title, el("dl", *facts), class_=f"finding {kind}")
    if (left := len(found) - MOST) > 0:
        yield el("p", f"{many(left, 'finding')} more not listed here: report.json has them all.")


def _title(found: Finding) -> str:
    """Name a finding, or what ended a run and is none."""
    return f"{found.id} {found.title}" if found.id in KINDS else "What ended the run"


def _command(command: str) -> Markup:
    return el("pre", el("code", _cut(command)), tabindex=0, aria_label="Command")


def _help(address: str) -> Markup:
    """Link to our own pages only: a report may have been edited."""
    is_ours = address.startswith(f"{HELP}#") and address.removeprefix(f"{HELP}#").isalnum()
    return el("a", address, href=address, rel="noreferrer") if is_ours else el("span", address)


def _listed(names: Iterable[str]) -> str:
    told = [short(each, 60) for each in names]
    return ", ".join(told[:-1]) + f" and {told[-1]}" if len(told) > 1 else "".join(told)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
