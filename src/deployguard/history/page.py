"""The past of a function as one HTML file: the picture, then the same in words.

It opens anywhere and loads nothing; without scripts, so that no text from elsewhere can become one.
"""

from __future__ import annotations

from deployguard import safe
from deployguard.history import chart, render
from deployguard.history.served import History

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark }
body { font: 15px system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem }
h1 { font-size: 1.2rem; overflow-wrap: anywhere }
svg { width: 100%; height: auto }
pre { overflow-x: auto }
"""


def html(history: History) -> str:
    """Return the file."""
    title = safe.html(f"Builds that served {safe.line(history.function)}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{chart.svg(history)}"
        f"<pre>{safe.html(render.text(history))}</pre>\n</body>\n</html>\n"
    )
