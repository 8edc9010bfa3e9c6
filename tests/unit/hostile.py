"""Text that would be more than text somewhere: in a log, a terminal, a page, a file."""

from __future__ import annotations

from hypothesis import strategies as st

# Each holds a command or an escape for some CI service or terminal.
COMMANDS = [
    "::error::x",
    "::error title=a,file=b::x",
    "::set-output name=verdict::FRESH",
    "::set-env name=PATH::/tmp/evil",
    "::add-path::/tmp/evil",
    "::add-mask::a",
    "::stop-commands::token",
    "::debug::x",
    "::group::x",
    "::endgroup::",
    ":::error::x",
    "::::error::x",
    "  ::error::x",
    "\t::error::x",
    "\u00a0\u2003\u3000::error::x",
    "harmless\n::error::x",
    "harmless\r::error::x",
    "harmless\r\n::error::x",
    "harmless\u2028::error::x",
    "harmless\u2029::error::x",
    "harmless\u0085::error::x",
    "harmless\x0b::error::x",
    "harmless\x0c::error::x",
    "\x00::error::x",
    "\ufeff::error::x",
    "\u200b::error::x",
    ":\x00:error::x",
    ":\u200b:error::x",
    "##[error]x",
    "text ##[set-env name=PATH;]/tmp/evil",
    "###[error]x",
    "##[##[error]x",
    "#\x00#[error]x",
    "##\u200d[error]x",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildProblem description='x']",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b31mred",
    "\x9d8;;https://evil.example\x9c",
    "\x1b[0Ksection_start:1:x\r\x1b[0Kx",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\x08\x08b",
    "%0A::error::x",
    "%250A::error::x",
    "\ud800lone",
    "\U000e0041tag",
]
MARKUP = [
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "</title><img src=x onerror=alert(1)>",
    "--><svg onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    "`onclick=alert(1)`",
    "<a href=javascript:alert(1)>x</a>",
    "&lt;b&gt; &amp;lt; &#60;b&#62; &colon;",
    "<!doctype html><meta http-equiv=refresh content=0;url=//evil.example>",
    "]]></failure><testcase/>",
    "<![CDATA[x]]>",
    "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "\ufffe\uffff",
    "\x01\x02\x0e\x1f\x7f",
]
MARKDOWN = [
    "![x](https://evil.example/p.png)",
    "[x](javascript:alert(1))",
    "[x]: https://evil.example\n[x]",
    "<https://evil.example> www.evil.example https://evil.example",
    "@everyone @owner/team #1 GH-1 !2 ~label",
    "a | b | c\n| --- | --- |",
    "`code` ``two`` ~~~\n~~~~\n```\n# heading",
    "\n# heading\n\n> quote\n\n- item\n1. one\n\n    indented",
    "heading\n===\nother\n---",
    "*a* **b** _c_ __d__ ~~e~~ \\*f\\*",
    "&#42;x&#42; &ast;y&ast;",
    "$x^2$ $$y$$ :tada:",
]
FILES = [
    "x\nGUARD_VERDICT=FRESH",
    "x'; touch /tmp/evil; '",
    "$(touch /tmp/evil) `touch /tmp/evil` ${PATH}",
    "EOF\nverdict<<EOF\nFRESH\nEOF",
    "deployguard_0123456789abcdef",
    'a", "verdict": "FRESH',
    "\\u0000 \\n \\\\",
    "../../../etc/passwd",
    "arn:aws:lambda:eu-west-1:1:function:x?a=b#/c",
    "🚀👩\u200d👩\u200d👧 e\u0301\u0335 日本語 \u05d0\u05d1\u0627",
    "x" * 10_000,
    "::error::" * 400,
]
TEXTS = [*COMMANDS, *MARKUP, *MARKDOWN, *FILES]


@st.composite
def foreign(draw: st.DrawFn) -> str:
    """Text with many of the characters that commands and markup are made of."""
    atoms = st.one_of(
        st.sampled_from(
            ["::", ":", "##", "#", "[", "]", "\n", "\r", " ", "\t", "\x1b", "%0A", "\u2028"]
        ),
        st.sampled_from(["error", "set-output name=a", "vso", "stop-commands", "-", "\u200b"]),
        st.sampled_from(["`", "``", "~~~", "|", "<", ">", "&", '"', "'", "]]>", "](", "\\", "*"]),
        st.characters(),
    )
    return "".join(draw(st.lists(atoms, max_size=30)))
