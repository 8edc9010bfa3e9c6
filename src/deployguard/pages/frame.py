"""The frame of every page: a policy that lets nothing in, and one look.

A page opens anywhere and loads nothing. The browser runs and applies only what has the hash that
the policy names, so no text from elsewhere can become a script or a style.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from deployguard.pages.markup import Markup, el


def page(title: str, *body: str, script: str = "") -> str:
    """Return a whole page; `script` is the name of one of our own files."""
    look, behaviour = style(), _file(script) if script else ""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(look, behaviour)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", Markup(look)),
    )
    scripts = [el("script", Markup(behaviour))] if behaviour else []
    return f"<!doctype html>\n{el('html', head, el('body', *body, *scripts), lang='en')}\n"


def style() -> str:
    """Return the look of pages, and of the pictures in them."""
    return _file("page.css") + _file("picture.css")


def picture_style() -> str:
    """Return the look of a picture that stands by itself."""
    return _file("picture.css")


def _file(name: str) -> str:
    return resources.files("deployguard.pages").joinpath(name).read_text(encoding="utf-8")


def _policy(look: str, behaviour: str) -> str:
    parts = ["default-src 'none'", f"style-src {_hash(look)}"]
    parts += [f"script-src {_hash(behaviour)}"] if behaviour else []
    return "; ".join((*parts, "base-uri 'none'", "form-action 'none'"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
