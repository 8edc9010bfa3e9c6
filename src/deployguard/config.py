"""Settings, declared once: flag > environment > deployguard.toml > default.

The command line, the action's inputs and the docs are made from, or checked against, these fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from deployguard import lease, webhook
from deployguard.model import LATEST
from deployguard.report.forms import FORMS
from deployguard.routes.nouns import SOURCES

PREFIX = "DEPLOYGUARD_"
FLAG_ONLY = {"build_id"}  # one that stays around would give two builds one id
CANARY_HOLD_CAP_MS = 10_000
SECRETS = (webhook.SECRET,)  # in the environment alone, and no settings
UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_S = 90 * UNITS["d"]
JUDGING = ("check", "verify", "refresh", "rollback")
WRITING = ("check", "refresh", "rollback", "recover", "prune")
RUNNING = ("check", "verify", "refresh", "rollback", "recover", "prune")
CONFORMING = ("canary-test",)
FLEETS = ("check", "verify", "recover")
# The commands that speak to AWS about a function, and those that do about executions.
ASKING = (*RUNNING, "doctor", "routes", "history")
INVESTIGATING = ("compare", "explain")


# The groups in which `--help` shows the options, in their order.
JUDGED = "what to judge"
EVIDENCE = "how much evidence"
SAFETY = "what may be changed"
PLACE = "where it may run"
STAMPED = "what the stamp says"
OUTPUT = "output"
GROUPS = (JUDGED, EVIDENCE, SAFETY, PLACE, STAMPED, OUTPUT)


def option(
    default: Any,
    help_text: str,
    *commands: str,
    group: str,
    flag: str = "",
    metavar: str = "",
    switches: Mapping[str, str] | None = None,
    unshown: bool = False,
    **limits: Any,
) -> Any:
    """Declare one setting: its default, its help, its flag, and the commands that take it.

    With `switches` each value has a flag of its own, instead of one that takes a value. No error
    repeats the value of an `unshown` one.
    """
    extra: dict[str, Any] = {
        "commands": list(commands),
        "group": group,
        "flag": flag,
        "metavar": metavar,
        "switches": dict(switches or {}),
        "unshown": unshown,
    }
    return Field(default=default, description=help_text, json_schema_extra=extra, **limits)


class Settings(BaseSettings):
    """Every setting of every command; a command reads the ones that name it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        hide_input_in_errors=True,
        frozen=True,
    )

    function: str = option(
        "", "name or ARN of the function, alone or with :qualifier", *ASKING, group=JUDGED
    )
    all: bool = option(
        False,
        "every function of the settings file's [[functions]], at once; see docs/fleet.md",
        *FLEETS,
        group=JUDGED,
    )
    jobs: int = option(
        8,
        "with --all: how many functions at once",
        *FLEETS,
        group=JUDGED,
        ge=1,
        le=256,
        metavar="N",
    )
    fail_fast: bool = option(
        False,
        "with --all: begin and move nothing more once a function is not FRESH",
        "check",
        group=SAFETY,
    )
    together: bool = option(
        False,
        "with --all: move all aliases or none, and put all back if one fails",
        "check",
        group=SAFETY,
    )
    shard: str = option(
        "",
        "with --all: only this part of the functions, such as 1/8",
        "check",
        group=JUDGED,
        metavar="I/N",
    )
    shards: int = option(
        1, "into how many parts to split", "plan", group=JUDGED, ge=1, le=256, metavar="N"
    )
    matrix: Literal["none", "github", "gitlab"] = option(
        "none",
        "print the shards as a matrix for GitHub, or a child pipeline for GitLab",
        "plan",
        group=OUTPUT,
    )
    base: str = option(
        ".gitlab/deployguard.yml",
        "the file of the project that defines the hidden job .deployguard, for GitLab",
        "plan",
        group=OUTPUT,
        min_length=1,
        metavar="FILE",
    )
    durations: str = option(
        "",
        "an earlier report; shards are made equally long by it, and otherwise equally large",
        "check",
        "plan",
        group=JUDGED,
        metavar="FILE",
    )
    alias: str = option(
        "live",
        "the alias that callers use; `check` creates it when it is absent",
        *JUDGING,
        "doctor",
        metavar="NAME",
        group=JUDGED,
    )
    image: str | None = option(
        None,
        "the shipped image, by tag or digest (default: what $LATEST runs)",
        "check",
        "verify",
        "doctor",
        "routes",
        metavar="URI",
        group=JUDGED,
    )
    stamp: str | None = option(
        None,
        "the build's stamp file; it must agree with the image's labels",
        "check",
        "verify",
        "refresh",
        "routes",
        metavar="FILE",
        group=JUDGED,
    )
    also: Annotated[tuple[str, ...], NoDecode] = option(
        (),
        "another qualifier that callers use, e.g. $LATEST (repeatable)",
        "check",
        "verify",
        "refresh",
        metavar="QUALIFIER",
        group=JUDGED,
    )
    routes: Literal["auto", "off", "required"] = option(
        "auto",
        "who calls the function: judge the routes that are found; or only those that are named; "
        "or let what could not be read be doubt",
        "check",
        "verify",
        group=JUDGED,
    )
    ignore: Annotated[tuple[str, ...], NoDecode] = option(
        (),
        "a qualifier that is meant to serve another build, whoever calls it (repeatable)",
        "check",
        "verify",
        metavar="QUALIFIER",
        group=JUDGED,
    )
    on_stale: Literal["fail", "rollback", "refresh"] = option(
        "rollback",
        "after a verdict other than FRESH: leave the alias, put it back, or replace stale "
        "containers first",
        "check",
        group=SAFETY,
    )
    remedy: Literal["publish", "configure", "drain", "wait"] = option(
        "publish", "how to replace containers; see docs/refresh.md", "refresh", group=SAFETY
    )
    drain: float = option(
        30.0,
        "seconds during which `--remedy drain` lets no invocation start",
        "refresh",
        flag="--drain-for",
        gt=0,
        le=900,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=SAFETY,
    )
    accept_loss: bool = option(
        False, "drain although events may be lost, as it says beforehand", "refresh", group=SAFETY
    )
    remove_variable: bool = option(
        False, "after `--remedy configure`, remove its variable again", "refresh", group=SAFETY
    )
    min_containers: int = option(
        1,
        "distinct fresh containers to see on each route",
        "check",
        "verify",
        "refresh",
        ge=1,
        le=10_000,
        metavar="N",
        group=EVIDENCE,
    )
    max_probes: int = option(
        1000,
        "canary invocations to spend in all",
        *JUDGING,
        ge=1,
        le=100_000,
        metavar="N",
        group=EVIDENCE,
    )
    hold_ms: int | None = option(
        None,
        "milliseconds for which a probe holds its container (default: until the last has arrived)",
        *JUDGING,
        "doctor",
        ge=0,
        le=CANARY_HOLD_CAP_MS,
        metavar="MS",
        group=EVIDENCE,
    )
    timeout: float = option(
        300.0,
        "seconds for the whole run",
        *ASKING,
        "plan",
        *INVESTIGATING,
        *CONFORMING,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=EVIDENCE,
    )
    grace: float = option(
        15.0,
        "seconds during which old answers are tolerated after a change",
        *JUDGING,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=EVIDENCE,
    )
    aged: float | None = option(
        None,
        "probe the same containers again until they are so many seconds old",
        "check",
        "verify",
        gt=0,
        le=43_200,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=EVIDENCE,
    )
    lock: bool = option(
        True,
        "keep other runs away from the function meanwhile, by a lease on it",
        "check",
        "refresh",
        "rollback",
        "prune",
        group=SAFETY,
    )
    wait_lock: float = option(
        0.0,
        "seconds to wait for another run that holds the lease",
        *WRITING,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=SAFETY,
    )
    to: str | None = option(
        None,
        "the version to go back to (default: the one before, from the report)",
        "rollback",
        metavar="VERSION",
        group=JUDGED,
    )
    keep: int = option(
        5,
        "the newest versions to keep in any case",
        "prune",
        ge=1,
        le=10_000,
        metavar="N",
        group=SAFETY,
    )
    dry_run: bool = option(
        False,
        "print the plan and change nothing",
        "check",
        "refresh",
        "rollback",
        "prune",
        group=SAFETY,
    )
    report_dir: str = option(
        "deployguard-report",
        "folder for the report",
        *RUNNING,
        "routes",
        "history",
        min_length=1,
        metavar="DIR",
        group=OUTPUT,
    )
    reports: Annotated[tuple[str, ...], NoDecode] = option(
        ("html", "junit"),
        "a form in which to write the report as well, beside report.json (repeatable): "
        f"{', '.join(FORMS)}",
        *JUDGING,
        metavar="FORM",
        group=OUTPUT,
    )
    summary: bool = option(
        True, "show the report on the page of the run, on GitHub", *RUNNING, group=OUTPUT
    )
    webhook: str | None = option(
        None,
        "post the report to this address, too; see docs/report.md#webhook",
        *JUDGING,
        metavar="URL",
        unshown=True,
        group=OUTPUT,
    )
    format: Literal["text", "json"] = option(
        "text",
        "what to print on stdout",
        *RUNNING,
        "doctor",
        "report",
        *INVESTIGATING,
        *CONFORMING,
        group=OUTPUT,
    )
    canary: bool = option(True, "send one canary to the alias", "doctor", group=EVIDENCE)
    verbosity: Literal["quiet", "normal", "verbose"] = option(
        "normal",
        "how much to tell: findings, errors and the verdict; what happens; or also each call to "
        "AWS, each probe's answer and each wait",
        *ASKING,
        *INVESTIGATING,
        switches={
            "quiet": "tell findings, errors and the verdict only",
            "verbose": "tell each call to AWS, each probe's answer and each wait",
        },
        group=OUTPUT,
    )
    expect_account: str | None = option(
        None,
        "refuse a function of any other account",
        *ASKING,
        *INVESTIGATING,
        *CONFORMING,
        metavar="ACCOUNT",
        pattern=r"^[0-9]{12}$",
        group=PLACE,
    )
    expect_region: str | None = option(
        None,
        "refuse any other region",
        *ASKING,
        *INVESTIGATING,
        *CONFORMING,
        metavar="REGION",
        group=PLACE,
    )
    expect_endpoint: str | None = option(
        None,
        "the one address besides AWS's own that calls may go to; where an account or a region is "
        "expected, no other is taken",
        *ASKING,
        *INVESTIGATING,
        *CONFORMING,
        metavar="URL",
        group=PLACE,
    )

    sources: Annotated[tuple[str, ...], NoDecode] = option(
        (),
        f"where to look for callers (repeatable; default: everywhere): {', '.join(SOURCES)}",
        "check",
        "verify",
        "routes",
        metavar="SOURCE",
        group=JUDGED,
    )
    routes_format: Literal["text", "json", "mermaid"] = option(
        "text", "what to print on stdout", "routes", flag="--format", group=OUTPUT
    )

    executions: Annotated[tuple[str, ...], NoDecode] = option(
        (), "ARNs of the executions", *INVESTIGATING, metavar="EXECUTION", group=JUDGED
    )
    last_success: str | None = option(
        None,
        "the last execution of a state machine, or of its version or alias, that succeeded",
        *INVESTIGATING,
        metavar="STATE_MACHINE",
        group=JUDGED,
    )
    last_failure: str | None = option(
        None,
        "the last one that failed or timed out",
        *INVESTIGATING,
        metavar="STATE_MACHINE",
        group=JUDGED,
    )
    children: int = option(
        100,
        "how many executions of each distributed Map to read, and of nested workflows",
        *INVESTIGATING,
        ge=1,
        le=10_000,
        metavar="N",
        group=JUDGED,
    )
    since: str = option(
        "7d",
        "how far to look back: minutes, hours or days, such as 24h",
        "history",
        metavar="AGE",
        group=JUDGED,
    )
    history_format: Literal["text", "json", "svg", "html"] = option(
        "text", "what to print on stdout", "history", flag="--format", group=OUTPUT
    )

    implementation: str = option(
        "",
        "what is to be tested: a command, the URL of an emulator, or the name or ARN of a function",
        *CONFORMING,
        group=JUDGED,
    )
    event: str | None = option(
        None, "the ordinary event to send, as JSON", *CONFORMING, metavar="JSON", group=EVIDENCE
    )
    expect: str | None = option(
        None,
        "what the handler answers to it, as JSON (default: anything)",
        *CONFORMING,
        metavar="JSON",
        group=EVIDENCE,
    )
    reach_handler: bool = option(
        False,
        "send a function the events that reach its handler, too; a command and a URL get them "
        "in any case",
        *CONFORMING,
        group=SAFETY,
    )
    answer_within: float = option(
        3.0,
        "seconds within which a canary without a hold is to be answered, but for the first",
        *CONFORMING,
        gt=0,
        le=20,
        allow_inf_nan=False,
        metavar="SECONDS",
        group=EVIDENCE,
    )
    language: Literal["python", "node"] = option(
        "python", "the language of the handler", "canary", group=OUTPUT
    )

    build_id: str | None = option(
        None,
        "build id, by flag only (default: made from time and commit)",
        "stamp",
        metavar="ID",
        group=STAMPED,
    )
    revision: str | None = option(None, "commit", "stamp", metavar="COMMIT", group=STAMPED)
    version: str | None = option(
        None, "version, e.g. from git describe", "stamp", metavar="TEXT", group=STAMPED
    )
    created: str | None = option(
        None, "build time, ISO 8601", "stamp", metavar="TIME", group=STAMPED
    )
    source: str | None = option(
        None, "URL of the source repository", "stamp", metavar="URL", group=STAMPED
    )
    output: str = option(
        "build-stamp.json",
        "where to write the stamp",
        "stamp",
        min_length=1,
        metavar="FILE",
        group=OUTPUT,
    )
    stamp_format: Literal["labels", "env", "json"] = option(
        "labels",
        "what to print: docker --label arguments, variables, or the stamp",
        "stamp",
        flag="--format",
        group=OUTPUT,
    )

    @field_validator("also", "ignore", "sources", "executions", "reports", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Accept a comma- or space-separated list, from the environment or as one option."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
            return value
        return tuple(part for text in texts for part in re.split(r"[,\s]+", text.strip()))

    @field_validator("alias")
    @classmethod
    def _is_an_alias(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value) or value.isdigit():
            raise ValueError(
                "expected the name of an alias: letters, digits, - and _, not all digits"
            )
        if value == lease.ALIAS:
            raise ValueError("this alias is deployguard's own: it holds the lease")
        return value

    @field_validator("webhook")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and (problem := webhook.doubt(value)):
            raise ValueError(problem)
        return value

    @field_validator("to")
    @classmethod
    def _is_a_version(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[1-9][0-9]{0,18}", value):
            raise ValueError("expected the number of a published version")
        return value

    @field_validator("since")
    @classmethod
    def _is_an_age(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,4}[mhd]", value) or seconds_of(value) > LONGEST_S:
            raise ValueError("expected minutes, hours or days up to 90d, such as 90m, 24h or 7d")
        return value

    @field_validator("also", "ignore")
    @classmethod
    def _are_qualifiers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for qualifier in value:
            if qualifier != LATEST and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", qualifier):
                raise ValueError(
                    f"{qualifier!r} is no qualifier: expected $LATEST, an alias, a number"
                )
        return value

    @field_validator("sources", "reports")
    @classmethod
    def _are_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = SOURCES if info.field_name == "sources" else tuple(FORMS)
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read no dotenv file and no secrets folder; the TOML file arrives with the flags."""
        return (init_settings, env_settings)


def seconds_of(age: str) -> float:
    """Return an age such as 24h in seconds."""
    return int(age[:-1]) * UNITS[age[-1]]
