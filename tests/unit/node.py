"""A Node.js process that a test asks, line by line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deployguard.canary
from tests.ci.tools import need

HELPER = Path(deployguard.canary.__file__).with_suffix(".cjs")

# A line is [how, event, remaining time]; what the handler is called with comes back.
PROGRAM = """
const { createInterface } = require("node:readline");
const { breadcrumb, canary } = require(process.argv[1]);

const never = new Promise(() => {});
const selfTests = {
  none: undefined,
  true: () => true,
  nothing: async () => {},
  false: async () => false,
  text: () => "12 fonts",
  long: () => "x".repeat(2000),
  object: async () => ({ left_s: 12 }),
  bad: () => ({ ok: false, left_s: -1 }),
  null: () => ({ ok: null }),
  large: () => ({ x: "y".repeat(2000) }),
  circle: () => { const it = {}; it.it = it; return it; },
  number: () => 7,
  list: () => [],
  throws: () => { throw new TypeError("secret"); },
  rejects: async () => { throw new RangeError("secret"); },
  strange: () => { throw null; },
  hostile: () => ({ get ok() { throw new Error("secret"); }, toJSON: 1 }),
  hangs: () => never,
};
const context = (left) => ({
  functionVersion: "42",
  invokedFunctionArn: "arn:aws:lambda:eu-west-1:123456789012:function:reports:live",
  logStreamName: "2026/01/02/[42]abc",
  awsRequestId: "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
  getRemainingTimeInMillis: () => left,
});
const hostile = new Proxy({}, { get() { throw new Error("hostile"); } });

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const [how, event, left] = JSON.parse(line);
    const handler = async (given, ...rest) => ({ handled: given, given: rest.length });
    const guarded = canary(handler, { selfTest: selfTests[how] });
    const given = how === "hostile context" ? hostile : left === null ? undefined : context(left);
    const answer = await guarded(event, given);
    process.stdout.write(JSON.stringify(answer) + "\\n");
  }
})();
"""


class Node:
    """The process, asked one question at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Keep the process."""
        self.process = process

    def ask(self, event: object, how: str = "none", left: float | None = 30_000) -> Any:
        """Call the guarded handler, and return what it answered."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([how, event, left]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def running(**environ: str) -> Iterator[Node]:
    """Run the program with the helper."""
    with subprocess.Popen(
        [need("node"), "-e", PROGRAM, str(HELPER)],
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Node(process)
        finally:
            process.kill()


def evaluate(program: str, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Run a program to its end, and return what it printed."""
    done = subprocess.run(
        [need("node"), "-e", program, str(HELPER), *arguments],
        env={"PATH": os.environ["PATH"], **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
