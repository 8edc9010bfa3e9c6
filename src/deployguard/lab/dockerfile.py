"""The part of the Dockerfile language that needs no engine, turned into a recipe for an image."""

from __future__ import annotations

import io
import json
import posixpath
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import WordSplitter, extract_key_values

from deployguard.lab.images import TASK_ROOT, File, OciImage, Recipe, assemble

# What a function's code can rely on in every AWS base image; the base's own files are not fetched.
BASE_ENVIRONMENT = {
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LAMBDA_TASK_ROOT": TASK_ROOT,
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}
BASE_ENTRYPOINT = ("/lambda-entrypoint.sh",)
NODE_ENTRYPOINT = ("/var/lang/bin/node", "/var/runtime/index.mjs")  # what that script starts there


class DockerfileError(ValueError):
    """A Dockerfile that the lab cannot build, with the line at fault."""


@dataclass
class _State:
    folder: Path
    build_args: Mapping[str, str]
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=lambda: dict(BASE_ENVIRONMENT))
    labels: dict[str, str] = field(default_factory=dict)
    layers: list[Mapping[str, File]] = field(default_factory=list)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = BASE_ENTRYPOINT
    working_dir: str = TASK_ROOT
    architecture: str = "amd64"
    started: bool = False  # FROM was seen

    def words(self, text: str) -> list[str]:
        return list(WordSplitter(text, args=self.arguments, envs=self.environment).split())

    def pairs(self, text: str) -> list[tuple[str, str]]:
        pairs = extract_key_values(
            env_replace=True, args=self.arguments, envs=self.environment, instruction_value=text
        )
        return [(str(name), str(value)) for name, value in pairs]


def build(
    folder: Path,
    *,
    dockerfile: str = "Dockerfile",
    labels: Mapping[str, str] | None = None,
    arguments: Mapping[str, str] | None = None,
) -> OciImage:
    """Build an image from a folder, with `labels` and build `arguments` as docker build takes them.

    Raises: DockerfileError for an instruction that needs an engine, naming its line.
    """
    text = (folder / dockerfile).read_bytes()
    parser = DockerfileParser(fileobj=io.BytesIO(text), env_replace=False)
    state = _State(folder=folder.resolve(), build_args=arguments or {})
    for step in parser.structure:
        where = f"{dockerfile} line {step['startline'] + 1}: {step['content'].strip()}"
        try:
            _apply(state, step["instruction"], step["value"])
        except ValueError as error:
            raise DockerfileError(f"{where}: {error}") from error
    if not state.started:
        raise DockerfileError(f"{dockerfile}: no FROM instruction")
    return assemble(
        Recipe(
            layers=tuple(state.layers),
            labels=state.labels | dict(labels or {}),
            environment=state.environment,
            command=state.command,
            entrypoint=state.entrypoint,
            working_dir=state.working_dir,
            architecture=state.architecture,
        )
    )


def _apply(state: _State, instruction: str, value: str) -> None:
    if instruction == "COMMENT":
        return
    step = STEPS.get(instruction)
    if step is None:
        raise ValueError(
            f"the lab builds images without an engine and cannot carry out {instruction}; "
            f"it knows {', '.join(sorted(STEPS))}"
        )
    if not state.started and instruction not in ("FROM", "ARG"):
        raise ValueError("only ARG may come before FROM")
    step(state, value)


def _from(state: _State, value: str) -> None:
    if state.started:
        raise ValueError("the lab builds one stage, this is a second FROM")
    state.started = True
    for word in state.words(value):
        if word.startswith("--platform="):
            state.architecture = word.rpartition("/")[2]
        if "lambda/nodejs" in word:
            state.entrypoint = NODE_ENTRYPOINT


def _arg(state: _State, value: str) -> None:
    name, _, default = value.partition("=")
    text = state.build_args.get(name.strip())
    if text is None:
        text = "".join(state.words(default))
    state.arguments[name.strip()] = text


def _env(state: _State, value: str) -> None:
    state.environment |= dict(state.pairs(value))


def _label(state: _State, value: str) -> None:
    state.labels |= dict(state.pairs(value))


def _workdir(state: _State, value: str) -> None:
    state.working_dir = posixpath.join(state.working_dir, " ".join(state.words(value)))


def _cmd(state: _State, value: str) -> None:
    state.command = _exec_form(value)


def _entrypoint(state: _State, value: str) -> None:
    state.entrypoint, state.command = _exec_form(value), ()


def _exec_form(value: str) -> tuple[str, ...]:
    try:
        words = json.loads(value)
    except ValueError:
        words = ["/bin/sh", "-c", value]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"expected a list of strings, got {shlex.quote(value)}")
    return tuple(words)


def _copy(state: _State, value: str) -> None:
    words = json.loads(value) if value.startswith("[") else state.words(value)
    flags = [word for word in words if word.startswith("--")]
    if flags:
        raise ValueError(f"the lab's COPY takes no flags, got {' '.join(flags)}")
    if len(words) < 2:
        raise ValueError("COPY needs at least one source and a destination")
    *sources, destination = words
    target = posixpath.join(state.working_dir, destination)
    found = [path for source in sources for path in _matches(state.folder, source)]
    into = destination.endswith(("/", ".")) or len(found) > 1
    layer: dict[str, Path] = {}
    for path in found:
        if path.is_dir():
            files = [each for each in sorted(path.rglob("*")) if each.is_file()]
            layer |= {_inside(target, each.relative_to(path).as_posix()): each for each in files}
        else:
            layer[_inside(target, path.name) if into else posixpath.normpath(target)] = path
    state.layers.append({name: _read(path, state.folder) for name, path in layer.items()})


def _matches(folder: Path, source: str) -> list[Path]:
    pattern = posixpath.normpath(source.lstrip("/"))
    found = [folder] if pattern == "." else sorted(folder.glob(pattern))
    if not found or ".." in Path(pattern).parts:
        raise ValueError(f"{source!r} is not in {folder}")
    return found


def _inside(target: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(target, name))


def _read(path: Path, folder: Path) -> File:
    if not path.resolve().is_relative_to(folder):
        raise ValueError(f"{path} leads out of {folder}")
    return File(path.read_bytes(), mode=0o755 if path.stat().st_mode & 0o100 else 0o644)


STEPS: Mapping[str, Callable[[_State, str], None]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "COPY": _copy,
    "WORKDIR": _workdir,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
}
