"""What `--help` says beside the options: the commands by purpose, examples, exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from deployguard.style import Page, Row

PURPOSES: Mapping[str, tuple[str, ...]] = {
    "before a deploy": ("canary", "stamp", "doctor", "canary-test", "plan"),
    "deploy, and judge what runs": ("check", "verify", "refresh", "rollback"),
    "put things right": ("recover", "prune"),
    "understand": ("routes", "history", "compare", "explain", "report"),
    "try it": ("lab", "completion"),
}
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "doctor": ("doctor greeter", "doctor greeter --policy"),
    "canary": ("canary", "canary node"),
    "canary-test": ("canary-test greeter --reach-handler", "canary-test './adapter --json'"),
    "stamp": ("stamp", "stamp --format env"),
    "check": (
        "check greeter",
        "check greeter --also '$LATEST' --on-stale refresh",
        "check --all --together",
    ),
    "verify": ("verify greeter", "verify greeter:live --image REPOSITORY:TAG"),
    "refresh": ("refresh greeter", "refresh greeter --remedy drain --drain-for 20"),
    "rollback": ("rollback greeter", "rollback greeter --to 41"),
    "recover": ("recover greeter",),
    "prune": ("prune greeter --keep 10 --dry-run",),
    "plan": ("plan", "plan --shards 8 --matrix github"),
    "routes": ("routes greeter", "routes greeter --format mermaid"),
    "history": ("history greeter --since 24h",),
    "compare": ("compare EXECUTION EXECUTION",),
    "explain": ("explain EXECUTION", "explain --last-failure STATE_MACHINE"),
    "report": (
        "report --to markdown",
        "report --replay deployguard-report/report.json",
        "report merge shards/1/report.json shards/2/report.json",
    ),
    "lab": ("lab demo", "lab run -- bash"),
    "completion": ("completion bash", "completion fish"),
}
EXIT_CODES: Mapping[str, str] = {
    "0": "FRESH, or done",
    "2": "arguments, settings or credentials that cannot be used",
    "3": "refused, before anything was changed",
    "4": "AWS failed; nothing is half done",
    "10": "STALE",
    "11": "INCONCLUSIVE",
    "12": "SUPERSEDED",
    "20": "a person has to run the command that is printed",
}
SOURCES = (
    "an option outranks its variable DEPLOYGUARD_..., which outranks deployguard.toml "
    "and [tool.deployguard] in pyproject.toml"
)


def overview(helps: Mapping[str, str], page: Page) -> str:
    """Return the commands by purpose, and what all of them share."""
    return _shown(_overview(helps), page)


def _overview(helps: Mapping[str, str]) -> Iterator[Row]:
    for purpose, names in PURPOSES.items():
        yield Row("", f"{purpose}:", "strong")
        for name in names:
            yield Row(f"  {name:<12}", helps[name])
        yield Row("")
    yield Row("", "exit codes:", "strong")
    for code, meaning in EXIT_CODES.items():
        yield Row(f"  {code:<12}", meaning)
    yield Row("")
    yield Row("settings: ", SOURCES)
    yield Row("options of a command: ", "deployguard COMMAND --help")


def examples(command: str) -> str:
    """Return what is often typed."""
    typed = (Row("  ", f"deployguard {words}", whole=True) for words in EXAMPLES[command])
    return _shown((Row("", "examples:"), *typed), Page())


def did_you_mean(typed: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return the name that was probably meant, or what else helps."""
    close = difflib.get_close_matches(typed, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _shown(rows: Iterable[Row], page: Page) -> str:
    return "\n".join(line for row in rows for line in row.on(page)) + "\n"
