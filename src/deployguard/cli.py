"""The command line: parsers made from the settings, one row a command; only here it prints."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from deployguard import __version__, ci, console, parser, safe
from deployguard.errors import ConfigurationError, DeployguardError, Interrupted, parts_of

if TYPE_CHECKING:
    from deployguard.config import Settings
    from deployguard.fleet.story import Fleet
    from deployguard.progress import Tell
    from deployguard.run import Record, Run
    from deployguard.style import Page
    from deployguard.target import Target

BROKEN_PIPE = 141


class Command(NamedTuple):
    """One row: what it does, in a line, and the function that does it."""

    help: str
    run: Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        parsed = _parser().parse_args(arguments)
        return COMMANDS[parsed.command].run(parsed)
    except DeployguardError as error:
        _complain(error, severity="error")
        if ci.detect(os.environ) is ci.Provider.GITHUB:
            outputs = {"verdict": "ERROR", "exit-code": str(error.exit_code)}
            ci.write_outputs(os.environ, outputs, report_dir=Path.cwd())
        return error.exit_code
    except Interrupted as end:
        _complain(end, severity="error")
        return end.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> parser.Overview:
    helps = {name: command.help for name, command in COMMANDS.items()}
    return parser.build(helps, version=__version__, page=lambda: _page(sys.stdout))


def _load(parsed: argparse.Namespace) -> Settings:
    from deployguard.loading import load

    return _debugged(load(_typed(parsed), folder=Path.cwd()))


def _typed(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    fields = parser.settings_class().model_fields
    return {key: value for key, value in vars(parsed).items() if key in fields}


def _debugged(settings: Settings) -> Settings:
    """Say everything where the CI service is asked to."""
    if console.is_debugged(os.environ):
        return settings.model_copy(update={"verbosity": "verbose"})
    return settings


def _begun(settings: Settings, record: Record, target: Target | None) -> Run:
    """Return a run that is watched until its resources are released."""
    from deployguard.aws.session import Session
    from deployguard.run import Run

    run = Run(Session(region=target and target.region), record, timeout_s=settings.timeout)
    run.tell = run.resources.enter_context(_watched(settings, doing=record.command))
    return run


def _watched(settings: Settings, *, doing: str) -> AbstractContextManager[Tell]:
    from deployguard import watch

    return watch.opened(
        sys.stderr,
        os.environ,
        verbosity=settings.verbosity,
        doing=doing,
        timeout_s=settings.timeout,
    )


def _run(parsed: argparse.Namespace) -> int:
    """Run a command on a function; whatever happens, a report is written."""
    from deployguard import handover, pins
    from deployguard.option import FLEETS
    from deployguard.run import Record
    from deployguard.target import target_of

    settings = _load(parsed)
    if settings.all and parsed.command in FLEETS:
        return _run_all(parsed)
    target = target_of(settings.function)
    if not settings.dry_run:
        handover.prepare(Path(settings.report_dir), parsed.command, forms=settings.reports)
    record = Record(parsed.command)
    run = _begun(settings, record, target)
    try:
        with run.resources, _signals(run):
            pins.refuse_elsewhere(run.session, settings, target)
            steps = _tell_story(run, settings, target)
    except (DeployguardError, Interrupted) as error:
        record.error, steps = error, None
    except Exception as bug:
        record.error = DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}")
        _finish(record, settings, seconds=run.now)
        raise
    if steps is not None:
        _print("\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)) + "\n")
        outputs = {"verdict": "", "exit-code": "0"}
        folder = Path(settings.report_dir)
        handover.outputs_to_ci(os.environ, outputs=outputs, folder=folder, complain=_warn)
        return 0
    return _finish(record, settings, seconds=run.now)


def _run_all(parsed: argparse.Namespace) -> int:
    """Run a command on every function of the fleet, and make one report."""
    from deployguard import handover
    from deployguard.fleet import whole
    from deployguard.fleet.places import Places
    from deployguard.fleet.story import Fleet
    from deployguard.loading import load_fleet
    from deployguard.report import files

    settings, entries = load_fleet(_typed(parsed), folder=Path.cwd(), command=parsed.command)
    own = [each for _, each in entries]
    settings = _debugged(settings)
    whole.refuse_contradictions(settings, own)
    folder = Path(settings.report_dir)
    if not settings.dry_run:
        handover.prepare(folder, parsed.command, forms=settings.reports)
    places = Places()
    plan = whole.planned([entry for entry, _ in entries], places, settings)
    fleet = Fleet(plan, places, settings, command=parsed.command, own=own)
    with _watched(settings, doing=parsed.command) as fleet.tell, _signals(fleet):
        end = fleet.run(_tell_story)
    if settings.dry_run and end is None:
        told, exit_code = whole.steps(fleet)
        _print(told)
        return exit_code
    report = whole.report(fleet, plan, settings, end=end)
    if end is None:
        with suppress(ConfigurationError):  # which is told where the whole report is written
            files.write(report, folder)  # already now: what follows may take a while
        report = whole.with_forgotten(report, fleet, plan, places)
    exit_code = _hand_over(report, settings, folder=folder, forms=settings.reports)
    if fleet.is_stuck:  # its threads would keep the process until AWS answers
        sys.stdout.flush()
        os._exit(exit_code)
    return exit_code


def _plan(parsed: argparse.Namespace) -> int:
    """Print who belongs to the fleet, or how a CI service is to share them out."""
    from deployguard.fleet import whole
    from deployguard.fleet.places import Places
    from deployguard.loading import load_fleet

    settings, entries = load_fleet(_typed(parsed), folder=Path.cwd(), command="check")
    _print(whole.shown([entry for entry, _ in entries], Places(), settings))
    return 0


def _tell_story(run: Run, settings: Settings, target: Target) -> tuple[str, ...] | None:
    from deployguard import guard

    match run.record.command:
        case "check":
            return guard.check(run, settings, target)
        case "refresh":
            from deployguard import refresh

            return refresh.refresh(run, settings, target)
        case "rollback":
            return guard.rollback(run, settings, target)
        case "prune":
            return guard.prune(run, settings, target)
        case "verify":
            guard.verify(run, settings, target)
        case _:
            guard.recover(run, settings, target)
    return None


def _finish(record: Record, settings: Settings, *, seconds: float) -> int:
    """Make the report of a run, and hand it over."""
    from deployguard.report import document, history

    moves = history.after(Path(settings.report_dir), record)
    report = document.build(record, seconds=seconds, tool=__version__, history=moves)
    folder = Path(settings.report_dir)
    return _hand_over(report, settings, folder=folder, forms=settings.reports)


def _hand_over(
    report: Mapping[str, Any], settings: Settings, *, folder: Path | None, forms: Sequence[str]
) -> int:
    """Print a report, and hand it to whoever reads it, even where nobody reads stdout."""
    from deployguard.report import files, text

    try:
        if settings.format == "json":
            _print(files.dump(report))
        else:
            is_brief = settings.verbosity == "quiet"
            _write(text.render(report, _page(sys.stdout), brief=is_brief))
    finally:
        exit_code = _keep(report, settings, folder=folder, forms=forms)
    return exit_code


def _keep(
    report: Mapping[str, Any], settings: Settings, *, folder: Path | None, forms: Sequence[str]
) -> int:
    """Leave a report in its folder, if it has one, and with the CI service and a web hook."""
    from deployguard import handover

    paths, exit_code = {"report-path": ""}, int(report["exit_code"])
    if folder is not None:
        paths, exit_code = handover.to_folder(report, folder, forms=forms, complain=_warn)
    _write_commands(
        handover.to_ci(
            report,
            os.environ,
            outputs={"exit-code": str(exit_code), **paths},
            folder=folder or Path(settings.report_dir),
            summary=settings.summary,
            complain=_warn,
        )
    )
    if settings.webhook is not None:
        handover.to_webhook(report, settings.webhook, os.environ, complain=_warn)
    return exit_code


def _doctor(parsed: argparse.Namespace) -> int:
    """Look at what would stand in a command's way, or print the policies that it needs."""
    from deployguard.doctor import arguments, checks, examine, show
    from deployguard.target import target_of

    settings = _load(parsed)
    printed = arguments.document(parsed, settings)
    if printed:
        _print(printed)
        return 0
    target = target_of(settings.function)
    with _asking(settings, target, command=parsed.command) as run:
        facts = examine.examine(run, settings, target, commands=parsed.commands)
    found = checks.all_of(facts)
    shape = show.document if settings.format == "json" else show.text
    _print(shape(settings.function, found))
    return checks.exit_code(found)


def _stamp(parsed: argparse.Namespace) -> int:
    """Write the stamp and print what the build needs of it."""
    from datetime import UTC, datetime

    from deployguard import stamp

    settings = _load(parsed)
    # NOTE: not from the environment, where an earlier build of this job may have left its own:
    # two builds of one id cannot be told apart.
    fields = {
        "build_id": settings.build_id if "build_id" in parsed else None,
        "revision": settings.revision,
        "version": settings.version,
        "created": settings.created,
        "source": settings.source,
    }
    made = stamp.collect(
        environ=os.environ,
        folder=Path.cwd(),
        now=datetime.now(UTC),
        overrides={key: value for key, value in fields.items() if value is not None},
    )
    stamp.write(made, Path(settings.output))
    _print(stamp.render(made, settings.stamp_format) + "\n")
    return 0


def _canary(parsed: argparse.Namespace) -> int:
    """Print the file with which a handler answers canaries."""
    helpers = {"python": "canary.py", "node": "canary.cjs"}
    helper = Path(__file__).with_name(helpers[_load(parsed).language])
    _print(helper.read_text(encoding="utf-8"))
    return 0


def _routes(parsed: argparse.Namespace) -> int:
    """Show where traffic goes; the document is written even where nothing could be shown."""
    from deployguard import pins
    from deployguard.report import files
    from deployguard.routes import audit, document, show
    from deployguard.run import Record
    from deployguard.target import target_of

    settings = _load(parsed)
    target = target_of(settings.function)
    folder = Path(settings.report_dir)
    files.prepare(folder, name=files.name_of("routes"))
    run = _begun(settings, Record("routes"), target)
    try:
        with run.resources, _signals(run):
            pins.refuse_elsewhere(run.session, settings, target)
            found = audit.audit(run, settings, target)
    except (DeployguardError, Interrupted) as error:
        files.write(document.build(run, error), folder)
        raise
    written = document.build(run, found)
    files.write(written, folder)
    _print(show.shown(found, written, form=settings.routes_format))
    return found.exit_code


def _history(parsed: argparse.Namespace) -> int:
    """Show which builds served a function, as far as its log tells; and keep that."""
    from deployguard.history import read, render, show
    from deployguard.report import files
    from deployguard.target import target_of

    settings = _load(parsed)
    target = target_of(settings.function)
    folder, name = Path(settings.report_dir), files.name_of(parsed.command)
    files.prepare(folder, name=name)
    with _asking(settings, target, command=parsed.command) as run:
        found = read.read(run, settings, target)
    files.keep(files.dump(render.document(found)), folder, name=name)
    _print(show.shown(found, form=settings.history_format))
    return 0


def _canary_test(parsed: argparse.Namespace) -> int:
    """Hold an implementation of the canary against the protocol."""
    from deployguard.conformance import rules, show, story, subject
    from deployguard.target import Target

    settings = _load(parsed)
    named = settings.implementation or settings.function
    tested = subject.subject_of(named)
    target = tested if isinstance(tested, Target) else None
    with _asking(settings, target, command=parsed.command) as run:
        cases = story.examine(run, settings, tested)
    _print(show.shown(named, cases, form=settings.format))
    return rules.exit_code(cases)


def _investigate(parsed: argparse.Namespace) -> int:
    """Find out what happened in executions, and print it."""
    from deployguard.executions import stories
    from deployguard.report import files

    settings = _load(parsed)
    target = stories.target(settings, parsed.command)
    with _asking(settings, target, command=parsed.command) as run:
        told = stories.STORIES[parsed.command](run, settings)
    _print(files.dump(told.document) if settings.format == "json" else told.text)
    return told.exit_code


@contextmanager
def _asking(settings: Settings, target: Target | None, *, command: str) -> Iterator[Run]:
    """Hand out a run that changes nothing, and is in the place where it is meant to be."""
    from deployguard import pins
    from deployguard.run import Record

    run = _begun(settings, Record(command), target)
    with run.resources, _signals(run):
        if target:
            pins.refuse_elsewhere(run.session, settings, target)
        yield run


def _report(parsed: argparse.Namespace) -> int:
    """Reach a saved report's verdict again from its evidence; show it, or render its forms."""
    from deployguard.report import files, saved, text

    settings = _load(parsed)
    if parsed.replay is not None:
        replayed = saved.replay(Path(parsed.replay))
        if settings.format == "json":
            _print(files.dump(replayed))
        else:
            _write(text.render(replayed, _page(sys.stdout)))
        return int(replayed["exit_code"])
    if parsed.file == "merge":
        return _merge(parsed, settings)
    if parsed.files:
        raise ConfigurationError(
            "several reports are named", fix="put `merge` before them, or name one"
        )
    if parsed.send is not None:
        saved.send(Path(parsed.file), parsed.send, environ=os.environ)
        if not parsed.forms:
            return 0
    rendered = saved.render(Path(parsed.file), parsed.forms, complain=_warn)
    if parsed.into is None:
        _write(saved.only(rendered))
        return 0
    for path in saved.keep(rendered, Path(parsed.into)):
        _print(f"{path}\n")
    return 0


def _merge(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make one report of several, and hand it on as a run does with its own."""
    from deployguard import handover
    from deployguard.report import saved

    if parsed.send is not None:
        saved.refuse_doubtful(parsed.send)
        settings = settings.model_copy(update={"webhook": parsed.send})
    folder = None if parsed.into is None else Path(parsed.into)
    if folder is not None:
        handover.prepare(folder, parsed.command, forms=parsed.forms)
    report = saved.merge([Path(each) for each in parsed.files])
    return _hand_over(report, settings, folder=folder, forms=parsed.forms)


def _completion(parsed: argparse.Namespace) -> int:
    """Print what a shell completes words with."""
    from deployguard import completion

    _write(completion.script(parsed.shell))
    return 0


def _lab(parsed: argparse.Namespace) -> int:
    from deployguard.lab import arguments

    return arguments.run(parsed, say=_print, complain=_talk)


@contextmanager
def _signals(run: Run | Fleet) -> Iterator[None]:
    """Turn the first signal into Interrupted, so that everything is put back; obey the second."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if run.is_interrupted:
            os._exit(128 + number)
        run.interrupt(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(text: str) -> None:
    _write(safe.log(text))


def _write(text: str) -> None:
    """Write what is safe for its surface already; what stdout has no character for, as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _page(stream: TextIO) -> Page:
    return console.page(stream, os.environ)


def _warn(problem: DeployguardError) -> None:
    _complain(problem, severity="warning")


def _complain(problem: DeployguardError | Interrupted, *, severity: str) -> None:
    from deployguard.report import text

    parts = {**parts_of(problem), "severity": severity}
    console.Writer(sys.stderr).write(text.problem(parts, _page(sys.stderr)))


def _talk(text: str) -> None:
    """Say something to whoever listens; that nobody does must not end a run that changes things."""
    console.Writer(sys.stderr).write(safe.log(text) + "\n")


def _write_commands(commands: str) -> None:
    """Print workflow commands; they are made of escaped parts."""
    sys.stderr.write(commands)


COMMANDS = {
    "doctor": Command("Say what would stand in the way, before anything is written", _doctor),
    "stamp": Command("Write the stamp and print the labels, at build time", _stamp),
    "canary": Command("Print the file with which a handler answers canaries", _canary),
    "canary-test": Command("Hold an implementation of the canary to the protocol", _canary_test),
    "check": Command("Publish, probe, move the alias, judge, put back on failure", _run),
    "verify": Command("Judge the routes as they are, without changing anything", _run),
    "refresh": Command("Replace warm containers, and prove that they are gone", _run),
    "rollback": Command("Move the alias back to what was live before", _run),
    "recover": Command("Finish or undo what a killed run left behind", _run),
    "prune": Command("Delete old versions that nothing uses, and never the way back", _run),
    "plan": Command("Show who belongs to the fleet, and share them out to CI jobs", _plan),
    "routes": Command("Show who calls a function, and which build each caller reaches", _routes),
    "history": Command("Show which builds served a function, as far as its log tells", _history),
    "compare": Command("Say whether two executions ran the same images", _investigate),
    "explain": Command("Say why an execution failed, and what decides that", _investigate),
    "report": Command("Show a saved report in another form, or reach its verdict again", _report),
    "lab": Command("Use the local cloud: up, demo, run, push", _lab),
    "completion": Command("Print the script that completes words in a shell", _completion),
}
