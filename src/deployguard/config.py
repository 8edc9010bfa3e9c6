"""Settings, declared once: flag > environment > deployguard.toml > default.

The command line, the action's inputs and the docs are made from, or checked against, these fields.
"""

from __future__ import annotations

from typing import Literal

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from deployguard import kinds
from deployguard.option import (
    ASKING,
    CHANGING,
    CONFORMING,
    FLEETS,
    INVESTIGATING,
    JUDGING,
    RUNNING,
    SPEAKING,
    WRITING,
    evidence,
    judged,
    place,
    safety,
    shown,
    stamped,
)
from deployguard.report.forms import FORMS
from deployguard.traffic import SOURCES

PREFIX = "DEPLOYGUARD_"
FLAG_ONLY = {"build_id"}  # one that stays around would give two builds one id
CANARY_HOLD_CAP_MS = 10_000
WEBHOOK_SECRET = "DEPLOYGUARD_WEBHOOK_SECRET"  # noqa: S105 - its name
SECRETS = (WEBHOOK_SECRET,)  # in the environment alone, and no settings


class Settings(BaseSettings):
    """Every setting of every command; a command reads the ones that name it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        hide_input_in_errors=True,
        frozen=True,
    )

    function: str = judged("", "name or ARN of the function, alone or with :qualifier", *ASKING)
    all: bool = judged(
        False,
        "every function of the settings file's [[functions]], at once; see docs/fleet.md",
        *FLEETS,
    )
    jobs: kinds.Count = judged(8, "with --all: how many functions at once", *FLEETS, ge=1, le=256)
    fail_fast: bool = safety(
        False, "with --all: begin and move nothing more once a function is not FRESH", "check"
    )
    together: bool = safety(
        False, "with --all: move all aliases or none, and put all back if one fails", "check"
    )
    shard: kinds.Shard = judged(
        "", "with --all: only this part of the functions, such as 1/8", *FLEETS
    )
    shards: kinds.Count = judged(1, "into how many parts to split", "plan", ge=1, le=256)
    matrix: Literal["none", "github", "gitlab"] = shown(
        "none", "print the shards as a matrix for GitHub, or a child pipeline for GitLab", "plan"
    )
    base: kinds.File = shown(
        ".gitlab/deployguard.yml",
        "the file of the project that defines the hidden job .deployguard, for GitLab",
        "plan",
        min_length=1,
    )
    durations: kinds.File = judged(
        "",
        "an earlier report; shards are made equally long by it, and otherwise equally large",
        *FLEETS,
        "plan",
    )
    alias: kinds.Alias = judged(
        "live",
        "the alias that callers use; `check` creates it when it is absent",
        *JUDGING,
        "doctor",
    )
    image: kinds.Image | None = judged(
        None,
        "the shipped image, by tag or digest (default: what $LATEST runs)",
        "check",
        "verify",
        "doctor",
        "routes",
    )
    stamp: kinds.File | None = judged(
        None,
        "the build's stamp file; it must agree with the image's labels",
        "check",
        "verify",
        "refresh",
        "routes",
    )
    also: kinds.Qualifiers = judged(
        (),
        "another qualifier that callers use, e.g. $LATEST (repeatable)",
        "check",
        "verify",
        "refresh",
    )
    routes: Literal["auto", "off", "required"] = judged(
        "auto",
        "who calls the function: judge the routes that are found; or only those that are named; "
        "or let what could not be read be doubt",
        "check",
        "verify",
    )
    ignore: kinds.Qualifiers = judged(
        (),
        "a qualifier that is meant to serve another build, whoever calls it (repeatable)",
        "check",
        "verify",
    )
    on_stale: Literal["fail", "rollback", "refresh"] = safety(
        "rollback",
        "after a verdict other than FRESH: leave the alias, put it back, or replace stale "
        "containers first",
        "check",
    )
    remedy: Literal["publish", "configure", "drain", "wait"] = safety(
        "publish", "how to replace containers; see docs/refresh.md", "refresh"
    )
    drain: kinds.Seconds = safety(
        30.0,
        "seconds during which `--remedy drain` lets no invocation start",
        "refresh",
        flag="--drain-for",
        gt=0,
        le=900,
    )
    accept_loss: bool = safety(
        False, "drain although events may be lost, as it says beforehand", "refresh"
    )
    remove_variable: bool = safety(
        False, "after `--remedy configure`, remove its variable again", "refresh"
    )
    min_containers: kinds.Count = evidence(
        1,
        "distinct fresh containers to see on each route",
        "check",
        "verify",
        "refresh",
        ge=1,
        le=10_000,
    )
    max_probes: kinds.Count = evidence(
        1000, "canary invocations to spend in all", *JUDGING, ge=1, le=100_000
    )
    hold_ms: kinds.Milliseconds | None = evidence(
        None,
        "milliseconds for which a probe holds its container (default: until the last has arrived)",
        *JUDGING,
        "doctor",
        ge=0,
        le=CANARY_HOLD_CAP_MS,
    )
    timeout: kinds.Seconds = evidence(
        300.0, "seconds for the whole run", *SPEAKING, "plan", gt=0, le=86_400
    )
    grace: kinds.Seconds = evidence(
        15.0,
        "seconds during which old answers are tolerated after a change",
        *JUDGING,
        ge=0,
        le=3600,
    )
    aged: kinds.Seconds | None = evidence(
        None,
        "probe the same containers again until they are so many seconds old",
        "check",
        "verify",
        gt=0,
        le=43_200,
    )
    lock: bool = safety(
        True, "keep other runs away from the function meanwhile, by a lease on it", *CHANGING
    )
    wait_lock: kinds.Seconds = safety(
        0.0, "seconds to wait for another run that holds the lease", *WRITING, ge=0, le=86_400
    )
    to: kinds.Version | None = judged(
        None, "the version to go back to (default: the one before, from the report)", "rollback"
    )
    keep: kinds.Count = safety(
        5, "the newest versions to keep in any case", "prune", ge=1, le=10_000
    )
    dry_run: bool = safety(False, "print the plan and change nothing", *CHANGING)
    report_dir: kinds.Folder = shown(
        "deployguard-report", "folder for the report", *RUNNING, "routes", "history"
    )
    reports: kinds.Forms = shown(
        ("html", "junit"),
        "a form in which to write the report as well, beside report.json (repeatable): "
        f"{', '.join(FORMS)}",
        *JUDGING,
    )
    summary: bool = shown(True, "show the report on the page of the run, on GitHub", *RUNNING)
    webhook: kinds.WebHook | None = shown(
        None,
        "post the report to this address, too; see docs/report.md#webhook",
        *JUDGING,
        unshown=True,
    )
    format: Literal["text", "json"] = shown(
        "text", "what to print on stdout", *RUNNING, "doctor", "report", *INVESTIGATING, *CONFORMING
    )
    canary: bool = evidence(True, "send one canary to the alias", "doctor")
    verbosity: Literal["quiet", "normal", "verbose"] = shown(
        "normal",
        "how much to tell: findings, errors and the verdict; what happens; or also each call to "
        "AWS, each probe's answer and each wait",
        *SPEAKING,
        switches={
            "quiet": "tell findings, errors and the verdict only",
            "verbose": "tell each call to AWS, each probe's answer and each wait",
        },
    )
    expect_account: kinds.Account | None = place(
        None, "refuse a function of any other account", *SPEAKING
    )
    expect_region: kinds.Region | None = place(None, "refuse any other region", *SPEAKING)
    expect_endpoint: kinds.Url | None = place(
        None,
        "the one address besides AWS's own that calls may go to; where an account or a region is "
        "expected, no other is taken",
        *SPEAKING,
    )

    sources: kinds.Sources = judged(
        (),
        f"where to look for callers (repeatable; default: everywhere): {', '.join(SOURCES)}",
        "check",
        "verify",
        "routes",
    )
    routes_format: Literal["text", "json", "mermaid"] = shown(
        "text", "what to print on stdout", "routes", flag="--format"
    )

    executions: kinds.Executions = judged((), "ARNs of the executions", *INVESTIGATING)
    last_success: kinds.StateMachine | None = judged(
        None,
        "the last execution of a state machine, or of its version or alias, that succeeded",
        *INVESTIGATING,
    )
    last_failure: kinds.StateMachine | None = judged(
        None, "the last one that failed or timed out", *INVESTIGATING
    )
    children: kinds.Count = judged(
        100,
        "how many executions of each distributed Map to read, and of nested workflows",
        *INVESTIGATING,
        ge=1,
        le=10_000,
    )
    since: kinds.Age = judged(
        "7d", "how far to look back: minutes, hours or days, such as 24h", "history"
    )
    history_format: Literal["text", "json", "svg", "html"] = shown(
        "text", "what to print on stdout", "history", flag="--format"
    )

    implementation: str = judged(
        "",
        "what is to be tested: a command, the URL of an emulator, or the name or ARN of a function",
        *CONFORMING,
    )
    event: kinds.Json | None = evidence(None, "the ordinary event to send, as JSON", *CONFORMING)
    expect: kinds.Json | None = evidence(
        None, "what the handler answers to it, as JSON (default: anything)", *CONFORMING
    )
    reach_handler: bool = safety(
        False,
        "send a function the events that reach its handler, too; a command and a URL get them "
        "in any case",
        *CONFORMING,
    )
    answer_within: kinds.Seconds = evidence(
        3.0,
        "seconds within which a canary without a hold is to be answered, but for the first",
        *CONFORMING,
        gt=0,
        le=20,
    )
    language: Literal["python", "node"] = shown("python", "the language of the handler", "canary")

    build_id: kinds.BuildId | None = stamped(
        None, "build id, by flag only (default: made from time and commit)", "stamp"
    )
    revision: kinds.Commit | None = stamped(None, "commit", "stamp")
    version: kinds.Text | None = stamped(None, "version, e.g. from git describe", "stamp")
    created: kinds.Time | None = stamped(None, "build time, ISO 8601", "stamp")
    source: kinds.Url | None = stamped(None, "URL of the source repository", "stamp")
    output: kinds.File = shown(
        "build-stamp.json", "where to write the stamp", "stamp", min_length=1
    )
    stamp_format: Literal["labels", "env", "json"] = shown(
        "labels",
        "what to print: docker --label arguments, variables, or the stamp",
        "stamp",
        flag="--format",
    )

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
