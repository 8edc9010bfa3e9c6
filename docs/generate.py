"""Write the generated parts of the documentation: what stands between begin and end markers.

python docs/generate.py            write them anew
python docs/generate.py --check    write nothing; name each file that is behind, and exit 1
python docs/generate.py --demo     run the demo as well, and show its output in README.md
python docs/generate.py --tests    run the tests as well, and show how they ended in README.md
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import detection
import samples
import shtab
from ruamel.yaml import YAML

from deployguard import ci, cli, completion, kinds, permissions
from deployguard.aws import failures
from deployguard.config import FLAG_ONLY, PREFIX, Settings
from deployguard.doctor import iam
from deployguard.errors import Trouble
from deployguard.executions import hypotheses
from deployguard.findings import KINDS, Kind
from deployguard.lab import faults, knobs
from deployguard.model import Severity
from deployguard.option import GROUPS
from deployguard.parser import POSITIONAL
from deployguard.report.forms import FORMS
from deployguard.scope import On, Scope

ROOT = Path(__file__).parents[1]
ACCOUNT = "123456789012"
SCOPE = Scope(
    f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:reports",
    f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/reports",
)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(?s)(<!-- begin:(?P<name>[a-z-]+) -->\n).*?(<!-- end:(?P=name) -->)")
COMMANDS = (
    "check",
    "verify",
    "rollback",
    "recover",
    "prune",
    "plan",
    "doctor",
    "routes",
    "history",
    "compare",
    "explain",
    "stamp",
    "canary",
    "canary-test",
    "report",
)
SCRIPTS = Path(completion.__file__).parent
FILES = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
RUN = ("demo", "tests")  # parts that need a run, so they are written only when asked for

KNOBS = {
    "routing": "which idle container serves: the most or the least recently used one, a random "
    "one, or the most recently used one of a partition",
    "partitions": "pools that do not know of each other, with `routing` `partitioned`",
    "propagation_s": "how long invocations may still follow an alias to where it was",
    "propagation_mode": "whether all of them do until then, or fewer and fewer",
    "update_s": "how long an update of the code or configuration stays in progress",
    "update_fails": "the reason code with which the next updates fail",
    "publish_s": "how long a new version stays pending",
    "linger": "old containers of `$LATEST` that keep serving: "
    '`[{"function": "greeter", "count": 2, "seconds": 30}]`; null means all, and for ever; '
    "`updates` limits a rule to that many updates of code or configuration, and counts down",
    "provisioning_s": "how long provisioned concurrency takes to become ready",
    "virtual": "containers of functions created from now on are no processes: they answer canaries "
    "inside the lab, by the thousand",
    "zygote": "containers are forked from a warm interpreter instead of started from nothing: "
    "several times faster in bursts; the handler, stamp and environment are still read by each, "
    "but an initialization is shorter than it would be, and all share one hash seed",
    "cold_start_s": "how much longer a virtual container takes to start",
    "idle_s": "how long a container stays warm without work; null means for ever",
    "report_style": "the format of the REPORT line in logs, and of the answer after a time-out",
    "log_delay_s": "how long log lines take to appear",
    "trail_delay_s": "how long changes take to appear in CloudTrail's event history",
    "metric_delay_s": "how long the metrics of Lambda take to appear in CloudWatch",
    "async_retry_s": "the pause before a failed asynchronous event is tried again",
    "states_pace": "how long waits and retry intervals of state machines take: this times what "
    "they say",
    "zero_destroys": "whether reserving 0 ends idle containers, which is not known of AWS",
    "signatures": "whether the signature of an Invoke is checked",
    "account_concurrency": "how many invocations the account runs at once",
    "policy": "the IAM policy that every call is held against, with `Effect`, `Action` and "
    "`Resource`; null allows everything",
    "clock_step_s": "how far the lab's clock is ahead of the machine's",
    "seed": "makes every random choice of the lab repeatable",
}
FAULTS = {
    "operation": "the name of the API operation, such as `UpdateAlias`; `*` is any",
    "kind": "what happens: " + ", ".join(f"`{kind}`" for kind in faults.KINDS),
    "phase": "when: `before` it is applied, `after` it is applied but before the answer, "
    "after the `reply`",
    "nth": "the first matching call that it strikes, counted from when the rule was added",
    "times": "how many calls it strikes; null means every one from then on",
    "service": "only calls to this service, such as `lambda`",
    "function": "only calls that name this function",
    "alias": "only calls that read or write this alias",
    "qualifier": "only calls that ask a function by this alias or version, as Invoke does",
    "access_key": "only calls signed under this access key",
    "status": "the HTTP status of the answer, instead of AWS's usual one",
    "code": "the error code of the answer",
    "message": "the error message of the answer",
    "seconds": "how long a `delay` is",
    "pid": "the process that a `kill` is sent to",
    "signal": "the number of the signal of a `kill`; only after SIGKILL is the call itself lost",
}


def main(arguments: list[str]) -> int:
    """Bring every page up to date, or name those that are not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if behind")
    for name in RUN:
        parser.add_argument(f"--{name}", action="store_true", help=f"run the {name} and show it")
    parsed = parser.parse_args(arguments)
    skipped = {name for name in RUN if not getattr(parsed, name)}
    behind = []
    for page in PAGES:
        written = page.read_text(encoding="utf-8")
        wanted = PART.sub(lambda part: _part(part, skipped=skipped), written)
        if wanted != written:
            behind.append(page)
            if not parsed.check:
                page.write_text(wanted, encoding="utf-8")
    for file, wanted in whole_files().items():
        if not file.exists() or file.read_text(encoding="utf-8") != wanted:
            behind.append(file if file.is_relative_to(ROOT) else ROOT / file.name)
            if not parsed.check:
                file.write_text(wanted, encoding="utf-8")
    if not parsed.check:
        return 0
    for page in behind:
        sys.stdout.write(f"{page.relative_to(ROOT)} is behind: run `make docs`\n")
    return 1 if behind else 0


def whole_files() -> dict[Path, str]:
    """Return the files of which every line is generated."""
    scripts = {SCRIPTS / f"deployguard.{shell}": completed(shell) for shell in completion.SHELLS}
    return {**scripts, ROOT / "docs" / "detection.svg": detection.svg()}


def _part(part: re.Match[str], *, skipped: set[str]) -> str:
    name = part["name"]
    return part[0] if name in skipped else f"{part[1]}{PARTS[name]()}{part[3]}"


def _table(*rows: tuple[str, ...]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    head, *body = rows
    return line(head) + line(("---",) * len(head)) + "".join(map(line, body))


# Completion


def completed(shell: str) -> str:
    """Return the script that completes words in a shell."""
    parser = cli.parsers()
    for command in parser.commands.values():
        command.fill()
        for action in command._actions:
            if action.metavar in FILES:
                action.complete = FILES[action.metavar]  # type: ignore[attr-defined,index]
    return str(shtab.complete(parser, shell=shell))


# Runs


def demo() -> str:
    """Return what the demo prints."""
    return f"```console\n$ make demo\n{_output('deployguard', 'lab', 'demo')}```\n"


def tests() -> str:
    """Return how the tests ended."""
    workers = str(2 * (os.cpu_count() or 1))
    closing = _output("pytest", "-n", workers, "--dist", "loadfile").splitlines()[-1]
    return f"```console\n$ make test\n{closing}\n```\n"


def _output(*module: str) -> str:
    command = [sys.executable, "-m", *module]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    if run.returncode != 0:
        sys.exit(f"{run.stdout}\n{' '.join(module)} ended with exit code {run.returncode}")
    return run.stdout


# Settings


def settings() -> str:
    """Return a table of the options of each command."""
    return "\n".join(_command(name) for name in COMMANDS)


def _command(command: str) -> str:
    taken = [
        (name, field)
        for name, field in Settings.model_fields.items()
        if command in field.json_schema_extra["commands"]  # type: ignore[index,operator]
    ]
    rows = [
        _setting(name, field)
        for group in GROUPS
        for name, field in taken
        if field.json_schema_extra["group"] == group  # type: ignore[index]
    ]
    head = ("flag", "environment", "key", "default", "meaning")
    return f"### {command}\n\n{_table(head, *rows)}"


def _setting(name: str, field: Any) -> tuple[str, ...]:
    hyphened = name.replace("_", "-")
    flag = field.json_schema_extra["flag"] or f"--{hyphened}"
    if name in POSITIONAL:
        flag = kinds.called(field) or name.upper()
    elif field.json_schema_extra["switches"]:
        flag = ", ".join(f"--{value}" for value in field.json_schema_extra["switches"])
    elif field.annotation is bool:
        flag = f"--{hyphened}, --no-{hyphened}"
    elsewhere = ("", "") if name in FLAG_ONLY else (f"`{PREFIX}{name.upper()}`", f"`{hyphened}`")
    return (
        f"`{flag}`",
        *elsewhere,
        _default(field.default),
        field.description + _allowed(field),
    )


def _default(value: Any) -> str:
    if value in (None, "", ()):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _allowed(field: Any) -> str:
    if get_origin(field.annotation) is Literal:
        return f"; {' or '.join(f'`{choice}`' for choice in get_args(field.annotation))}"
    limits = {type(limit).__name__: limit for limit in field.metadata}
    if "Le" not in limits:
        return ""
    lowest = f"{limits['Ge'].ge} to" if "Ge" in limits else f"more than {limits['Gt'].gt}, up to"
    return f"; {lowest} {limits['Le'].le}"


def form_table() -> str:
    """Return a table of the forms of a report."""
    rows = [(f"`{name}`", f"`{form.file}`", form.about) for name, form in FORMS.items()]
    return _table(("form", "file", "what it is"), *rows)


def example(*names: str) -> str:
    """Return files of the examples."""
    texts = ((ROOT / "examples" / name).read_text(encoding="utf-8") for name in names)
    return "\n".join(f"```yaml\n{text}```\n" for text in texts)


def outputs() -> str:
    """Return a table of the action's outputs, and what GitLab calls them."""
    action = YAML(typ="safe", pure=True).load((ROOT / "action.yml").read_text(encoding="utf-8"))
    rows = [
        (f"`{name}`", f"`GUARD_{name.upper().replace('-', '_')}`", text["description"])
        for name, text in action["outputs"].items()
    ]
    assert {name for name, *_ in rows} == {f"`{name}`" for name in ci.OUTPUTS}
    return _table(("GitHub output", "GitLab variable", "meaning"), *rows)


# The lab


def knob_table() -> str:
    """Return a table of the lab's knobs."""
    return _members(knobs.Settings, KNOBS, head="knob")


def fault_table() -> str:
    """Return a table of the members of a fault rule."""
    return _members(faults.Fault, FAULTS, head="member", unsettable=faults.COUNTERS)


def _members(
    of: type, meanings: Mapping[str, str], *, head: str, unsettable: tuple[str, ...] = ()
) -> str:
    neutral: Any = of(operation="", kind="") if of is faults.Fault else of()
    named = [member for member in fields(neutral) if member.name not in unsettable]
    assert {member.name for member in named} == meanings.keys(), f"{of.__name__} has other members"
    rows = []
    for member in named:
        value = getattr(neutral, member.name)
        default = "null" if value is None else str(value).lower()
        choices = ", ".join(f"`{choice}`" for choice in knobs.CHOICES.get(member.name, ()))
        meaning = meanings[member.name] + (f" ({choices})" if choices else "")
        shown = "" if value == "" else f"`{default}`"
        rows.append((f"`{member.name}`", shown, meaning))
    return _table((head, "default", "meaning"), *rows)


# Findings


def findings() -> str:
    """Return a section for each finding, with a sample that the code itself words."""
    told = samples.told()
    assert told.keys() == KINDS.keys(), "each finding needs a sample"
    return "\n".join(
        f"## {identifier}\n\n**{kind.title}.** {told[identifier][0]}{_aside(kind)}\n\n"
        f"- Likely cause: {kind.cause}.\n- Fix: {kind.fix}.\n\n"
        f"```sh\n{kind.command}\n```\n\n```text\n{told[identifier][1]}\n```\n"
        for identifier, kind in KINDS.items()
    )


def _aside(kind: Kind) -> str:
    return " It is a warning, and moves no verdict." if kind.severity is Severity.WARNING else ""


def calls() -> str:
    """Return a table of what each command asks of AWS."""
    every = tomllib.loads((ROOT / "docs" / "calls.toml").read_text(encoding="utf-8"))["call"]
    columns = ("check", "idle", "verify", "rollback", "fleet")
    totals = (str(sum(each.get(column, 0) for each in every)) for column in columns)
    rows = (
        (f"`{each['name']}`", each["why"], *(str(each.get(column, "")) for column in columns))
        for each in every
    )
    return _table(("call", "what for", *columns), *rows, ("all", "", *totals))


def causes() -> str:
    """Return a table of causes for each group, with what tells each or why nothing does."""
    groups = tomllib.loads((ROOT / "docs" / "causes.toml").read_text(encoding="utf-8"))["group"]
    head = ("id", "cause", "what it looks like", "what tells it")
    return "\n".join(
        f"## {group['title']}\n\n{_table(head, *map(_cause, group['cause']))}" for group in groups
    )


def _cause(cause: Mapping[str, Any]) -> tuple[str, ...]:
    named = ", ".join(f"[{name}](findings.md#{name.lower()})" for name in cause.get("findings", ()))
    tells = named or f"Nothing: {cause['unseen']}. Instead: {cause['do']}"
    told = f": {cause['told']}" if "told" in cause else ""
    return cause["id"], cause["name"], cause["looks"], tells + told


def finding_index() -> str:
    """Return the list of findings."""
    rows = [
        (f"[{name}](#{name.lower()})", kind.severity, kind.title) for name, kind in KINDS.items()
    ]
    return _table(("id", "severity", "title"), *rows)


# Permissions


def policy() -> str:
    """Return the policy of a deploy job."""
    return f"```json\n{iam.policy(permissions.of(permissions.DEPLOYING), SCOPE)}```\n"


def trust() -> str:
    """Return who may assume the role of a deploy job on GitHub."""
    document = iam.trust(
        "github",
        account=ACCOUNT,
        partition="aws",
        repository="acme@12/reports@34",
        branch="main",
        environment=None,
        host="",
    )
    return f"```json\n{document}```\n"


def needs() -> str:
    """Return a table of what each command needs."""
    on = {
        On.FUNCTION: "the function",
        On.ROUTES: "the qualifiers",
        On.VERSIONS: "the versions",
        On.REPOSITORY: "the repository",
        On.LOGS: "the log group",
        On.ROLES: "the roles",
        On.REPORTS: "the bucket `deployguard...`",
        On.ACCOUNT: "`*`",
    }
    rows = [
        (f"`{need.action}`", on[need.on], need.role, ", ".join(need.commands), need.without)
        for need in sorted(permissions.NEEDS, key=lambda need: need.action)
    ]
    return _table(("action", "on", "role", "commands", "without it, if they can do without"), *rows)


# Errors of AWS


def hypothesis_table() -> str:
    """Return what each hypothesis predicts, in the order in which equals are ranked."""
    theories = [*(theory for theory, _ in hypotheses.THEORIES), hypotheses.workflow.ENDED]
    rows = [(theory.id, theory.title, theory.predicts) for theory in theories]
    return _table(("", "hypothesis", "predicts"), *rows)


def errors() -> str:
    """Return a table of what each failure of a call means, and what is done about it."""
    head = ("failure", "likely cause", "a read", "a write", "codes")
    return _table(head, *(_trouble(trouble, row) for trouble, row in failures.TABLE.items()))


def _trouble(trouble: Trouble, row: failures.Row) -> tuple[str, ...]:
    read = "is sent again" if trouble in failures.REPEATED_READS else "fails"
    write = "fails"
    if trouble in failures.REPEATED_WRITES:
        write = "is sent again"
    elif trouble in failures.UNKNOWN_WRITES:
        write = "may have been applied: what it changes is read first"
    elif trouble in (Trouble.CONFLICT, Trouble.PRECONDITION):
        write = "was refused: what it changes is read first"
    codes = ", ".join(f"`{code}`" for code in row.codes)
    return trouble.value, row.cause, read, write, codes


PARTS: Mapping[str, Callable[[], str]] = {
    "demo": demo,
    "tests": tests,
    "settings": settings,
    "outputs": outputs,
    "fleet-github": lambda: example("github/fleet.yml"),
    "fleet-gitlab": lambda: example("gitlab/fleet.gitlab-ci.yml", "gitlab/.gitlab/deployguard.yml"),
    "forms": form_table,
    "knobs": knob_table,
    "faults": fault_table,
    "findings": findings,
    "finding-index": finding_index,
    "calls": calls,
    "causes": causes,
    "detection": lambda: _table(*detection.ours()),
    "detection-others": lambda: _table(*detection.others()),
    "detection-sample": lambda: _table(*detection.sample()),
    "errors": errors,
    "hypotheses": hypothesis_table,
    "policy": policy,
    "trust": trust,
    "needs": needs,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
