"""The stories of the commands that find out what happened in executions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from deployguard.aws import executions
from deployguard.errors import ConfigurationError, Refusal
from deployguard.executions import compare, document_comparison, names, render_comparison
from deployguard.executions.read import read
from deployguard.target import Target

if TYPE_CHECKING:
    from deployguard.config import Settings
    from deployguard.run import Run

SUCCESSES = ("SUCCEEDED",)
FAILURES = ("FAILED", "TIMED_OUT")
COUNTS = {"compare": 2}  # of executions


class Told(NamedTuple):
    """What a command found out, for programs and for people."""

    document: Mapping[str, Any]
    text: str
    exit_code: int


def target(settings: Settings, command: str) -> Target:
    """Return where the executions are that a command is about; refuse what it cannot work on."""
    places = [names.execution(arn) for arn in settings.executions]
    machines = (settings.last_success, settings.last_failure)
    places += [names.machine(arn) for arn in machines if arn is not None]
    wanted = COUNTS[command]
    if len(places) != wanted:
        raise ConfigurationError(
            f"{command} is about {wanted} execution{'s' if wanted > 1 else ''}, got {len(places)}",
            fix="give their ARNs, or --last-success STATE_MACHINE, --last-failure STATE_MACHINE",
        )
    for what, found in (
        ("regions", sorted({place.region for place in places})),
        ("accounts", sorted({place.account for place in places})),
    ):
        if len(found) > 1:
            raise ConfigurationError(
                f"the executions are in different {what}: {', '.join(found)}",
                fix="name executions that one session can read",
            )
    return Target(places[0].machine, None, places[0].region)


def _compare(run: Run, settings: Settings) -> Told:
    first, second = (read(run, arn, children=settings.children) for arn in _chosen(run, settings))
    found = compare.compare(first, second)
    return Told(document_comparison.build(found), render_comparison.text(found), found.exit_code)


def _chosen(run: Run, settings: Settings) -> Iterator[str]:
    """Yield the executions that are named, and then those that are the last of their kind."""
    yield from settings.executions
    if settings.last_success is not None:
        yield _last(run, settings.last_success, SUCCESSES)
    if settings.last_failure is not None:
        yield _last(run, settings.last_failure, FAILURES)


def _last(run: Run, machine: str, statuses: tuple[str, ...]) -> str:
    found = executions.last(run.session, machine, statuses=statuses)
    if found is None:
        raise Refusal(
            f"no execution of {machine} has status {' or '.join(statuses)}",
            cause="none ended so in the last 90 days, for which Step Functions remembers them",
            fix="name executions by their ARNs",
        )
    run.say(f"{' or '.join(statuses)} last: {found.arn}")
    return found.arn


STORIES: Mapping[str, Callable[[Run, Settings], Told]] = {"compare": _compare}
