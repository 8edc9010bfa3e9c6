"""The tasks of a state machine that checks many functions: plan, judge each, and merge.

Nothing passes through the state machine but who is judged: reports lie in S3, where what a killed
sandbox has begun is written down, and what is missing is missed.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from deployguard import guard, loading, pins, safe
from deployguard.aws import store
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.errors import ConfigurationError, DeployguardError, OutOfTime
from deployguard.fleet import whole
from deployguard.fleet.places import Places
from deployguard.fleet.plan import Member
from deployguard.hooks import intime
from deployguard.hooks.task import Judge, Merge, Plan, Planned, parse
from deployguard.report import files, merged, saved, words
from deployguard.run import Record
from deployguard.target import target_of

STORIES = {"check": guard.check, "verify": guard.verify}
# What a state machine does not do; ignoring it would do something else than was asked for.
NOT_HERE = ("dry_run", "fail_fast", "function", "shard", "together", "webhook")
LONGEST_CAUSE = 4_000  # Step Functions takes 32,768 characters


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Do what an event asks for, and answer what the next state needs."""
    match parse(event):
        case Plan() as task:
            return _plan(task)
        case Judge() as task:
            return _judge(task, context)
        case task:
            return _merge(task, context)


def _plan(task: Plan) -> dict[str, Any]:
    """Find the functions; each gets a shard, and all a folder that nothing has ever been in."""
    command = task.command
    settings, entries = (
        loading.fleet_of(task.settings, name="the input", command=command)
        if task.settings
        else loading.load_fleet({}, folder=Path.cwd(), command=command)
    )
    for name in NOT_HERE:
        if getattr(settings, name) != Settings.model_fields[name].default:
            raise ConfigurationError(
                f"{name.replace('_', '-')} is set, which holds of no state machine",
                fix="leave it out; see docs/inside-aws.md for what can be set",
            )
    made = whole.apart([entry for entry, _ in entries], Places(), settings)
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    planned = Planned(
        id=made.digest,
        command=command,
        shards=made.size,
        at_once=settings.jobs,
        reports=f"{task.reports.rstrip('/')}/{began}-{secrets.token_hex(8)}",
    )
    store.place(planned.report)
    functions = [_entry(member, entries[member.entry][1], command) for (member,) in made.shards]
    items = [{"shard": number, "function": each} for number, each in enumerate(functions, 1)]
    return {"plan": planned.model_dump(), "items": items}


def _entry(member: Member, settings: Settings, command: str) -> dict[str, Any]:
    """Return the entry of `[[functions]]` that means this function alone."""
    given = settings.model_fields_set & loading.own(command) - {"stamp"}
    where = {key: value for key, value in member.place._asdict().items() if value}
    return {"name": member.function, **where, **settings.model_dump(mode="json", include=given)}


def _judge(task: Judge, context: Any) -> dict[str, Any]:
    """Judge one function; what is said of it beforehand holds if this sandbox is killed."""
    session, seconds = Session(), intime.left_s(context) - intime.ANSWER_S
    session.hurry(max(1.0, seconds))
    begun = Record(task.plan.command, asked=task.name, error=_unfinished(task.name))
    _keep(session, task, intime.document_of(begun, seconds=0.0))
    record = Record(task.plan.command, asked=task.name)
    report, is_over = intime.ended(record, partial(_one, task, seconds), within_s=seconds)
    session.hurry(max(1.0, intime.left_s(context) - 1))
    _keep(session, task, report)
    intime.write(intime.one_line(report))
    if not is_over:  # what hangs would go on with this sandbox's next invocation
        os._exit(1)
    return {"function": task.name, "verdict": report["verdict"]}


def _one(task: Judge, seconds: float, record: Record) -> None:
    document = {loading.FUNCTIONS: [task.function]}
    _, loaded = loading.fleet_of(document, name="the item", command=task.plan.command)
    entry, settings = loaded[0]
    if entry.is_open or entry.skip or len(entry.regions) > 1:
        raise ConfigurationError(
            f"the item: {entry.said} is not one function", fix="let the plan find the functions"
        )
    places = Places()
    (place,) = entry.places(places.region([entry]))
    session = places.session(place, until=time.monotonic() + seconds)
    target = target_of(entry.name)
    with intime.begun(session, record, settings, within_s=seconds) as run:
        run.neighbours = min(task.plan.at_once, task.plan.shards)
        pins.refuse_elsewhere(run.session, settings, target)
        STORIES[task.plan.command](run, intime.here(settings), target)


def _unfinished(function: str) -> OutOfTime:
    return OutOfTime(
        f"the judging of {function} was begun, and did not end",
        cause="its sandbox was killed, by its time-out, for its memory or by AWS",
        fix="see the log of the function that judges; what is left to put back is written down on "
        "the function, and the next check does it, or this does it now",
        command=f"deployguard recover {function}",
    )


def _keep(session: Session, task: Judge, report: Mapping[str, Any]) -> None:
    """Write a function's report as that of its shard."""
    plan = task.plan
    about = merged.alone(plan.id, plan.shards, shard=task.shard, of=plan.shards)
    document = merged.of_functions([report], about)
    store.put(session, plan.report_of(task.shard), files.dump(document))


def _merge(task: Merge, context: Any) -> dict[str, Any]:
    """Judge what there is again, and miss what there is not."""
    plan, session = task.plan, Session()
    session.hurry(max(1.0, intime.left_s(context) - 1))
    none = intime.document_of(Record(plan.command), seconds=0.0)
    about = {**merged.alone(plan.id, plan.shards, of=plan.shards), "held": []}
    parts = [{**none, "fleet": about}, *_parts(session, plan)]
    report = merged.of_shards(parts)
    store.put(session, plan.report, files.dump(report))
    intime.write(intime.one_line(report))
    return {"verdict": report["verdict"], "said": _said(report, plan), "report": plan.report}


def _parts(session: Session, plan: Planned) -> Iterator[dict[str, Any]]:
    """Yield the report of each function that has one which its evidence supports."""
    with tempfile.TemporaryDirectory() as folder:
        for shard in range(1, plan.shards + 1):
            path = Path(folder) / f"{shard}.json"
            try:
                path.write_bytes(store.get(session, plan.report_of(shard)))
                part = saved.part(path)
            except DeployguardError as error:
                intime.say(f"shard {shard} is missed: {error.happened}")
                continue
            told = part["fleet"] or {}
            if (told.get("plans"), told.get("held")) == ([plan.id], [shard]):
                yield part
            else:
                intime.say(f"shard {shard} is missed: what lies there is another report")


def _said(report: Mapping[str, Any], plan: Planned) -> str:
    """Say in a few words how all of it ended, and where more is said."""
    name = words.names(report)
    others = [each for each in report["functions"] if each["exit_code"]]
    ended = (f"{name(each)} is {each['verdict']}." for each in others)
    said = safe.line(" ".join((words.sentence(report), *ended)))
    return f"{said[:LONGEST_CAUSE]} The report: {plan.report}"
