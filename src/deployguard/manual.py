"""What `--help` says beside the options: the commands by purpose, examples, exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from deployguard.style import Page, Row


class Purpose(NamedTuple):
    """What commands are for, the module of `commands` that has them, and what each one does."""

    title: str
    module: str
    commands: Mapping[str, str]


PURPOSES = (
    Purpose(
        "before a deploy",
        "before_deploy",
        {
            "canary": "Print the file with which a handler answers canaries",
            "stamp": "Write the stamp and print the labels, at build time",
            "doctor": "Say what would stand in the way, before anything is written",
            "canary-test": "Hold an implementation of the canary to the protocol",
            "plan": "Show who belongs to the fleet, and share them out to CI jobs",
        },
    ),
    Purpose(
        "deploy, and judge what runs",
        "deploy",
        {
            "check": "Publish, probe, move the alias, judge, put back on failure",
            "verify": "Judge the routes as they are, without changing anything",
            "refresh": "Replace warm containers, and prove that they are gone",
            "rollback": "Move the alias back to what was live before",
        },
    ),
    Purpose(
        "put things right",
        "put_right",
        {
            "recover": "Finish or undo what a killed run left behind",
            "prune": "Delete old versions that nothing uses, and never the way back",
        },
    ),
    Purpose(
        "understand",
        "understand",
        {
            "routes": "Show who calls a function, and which build each caller reaches",
            "history": "Show which builds served a function, as far as its log tells",
            "compare": "Say whether two executions ran the same images",
            "explain": "Say why an execution failed, and what decides that",
            "report": "Show a saved report in another form, or reach its verdict again",
        },
    ),
    Purpose(
        "try it",
        "try_it",
        {
            "lab": "Use the local cloud: up, demo, run, push",
            "completion": "Print the script that completes words in a shell",
        },
    ),
)
HELPS = {name: text for purpose in PURPOSES for name, text in purpose.commands.items()}
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
    "1": "a bug in deployguard",
    "2": "arguments, settings or credentials that cannot be used",
    "3": "refused, before anything was changed",
    "4": "AWS failed; nothing is half done",
    "10": "STALE",
    "11": "INCONCLUSIVE",
    "12": "SUPERSEDED",
    "20": "a person has to run the command that is printed",
    "129 130 143": "ended by a signal; what was changed is put back, or kept for `recover`",
    "141": "nobody read the output any more",
}
SOURCES = (
    "an option outranks its variable DEPLOYGUARD_..., which outranks deployguard.toml "
    "and [tool.deployguard] in pyproject.toml"
)


def overview(page: Page) -> str:
    """Return the commands by purpose, and what all of them share."""
    return _shown(_overview(), page)


def _overview() -> Iterator[Row]:
    for purpose in PURPOSES:
        yield Row("", f"{purpose.title}:", "strong")
        for name, text in purpose.commands.items():
            yield Row(f"  {name:<12}", text)
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
