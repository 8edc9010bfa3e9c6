"""The plan of a fleet as CI services take it: GitHub a matrix, GitLab a child pipeline."""

from __future__ import annotations

import json
import shlex

from deployguard.fleet.plan import Plan

# The hidden job that the project defines: its image, how deployguard is installed, how it signs in.
BASE = ".deployguard"
PAST = "deployguard-shards"


def text(plan: Plan) -> str:
    """Return a line for each function: its shard, where it is, and what it is called."""
    return "".join(
        f"{number}/{len(plan.shards)}  {member.place.region}  {member.function}"
        + (f"  by {member.place.role}\n" if member.place.role else "\n")
        for number, members in enumerate(plan.shards, 1)
        for member in members
    )


def github(plan: Plan) -> str:
    """Return one line of JSON, for `strategy: {matrix: ${{ fromJSON(...) }}}`."""
    shards = len(plan.shards)
    include = [
        {"shard": f"{number}/{shards}", "functions": len(members)}
        for number, members in enumerate(plan.shards, 1)
    ]
    return json.dumps({"include": include}) + "\n"


def gitlab(plan: Plan, *, base: str, durations: str) -> str:
    """Return a child pipeline: a job for each shard, and one that makes one report of theirs.

    JSON is YAML, and every text in it is quoted.
    """
    shards = len(plan.shards)
    past = ["--durations", durations] if durations else []
    names = [f"check {number}/{shards}" for number in range(1, shards + 1)]
    checks = {
        name: {
            "extends": BASE,
            "stage": "check",
            "script": [_line("check", "--all", "--shard", name.split()[1], *past, *_into(number))],
            "artifacts": {"when": "always", "paths": [f"{PAST}/{number}"]},
        }
        for number, name in enumerate(names, 1)
    }
    reports = [f"{PAST}/{number}/report.json" for number in range(1, shards + 1)]
    merge = {
        "extends": BASE,
        "stage": "merge",
        "when": "always",
        "script": [_merging(reports)],
        "artifacts": {"when": "always", "paths": ["deployguard-report"]},
    }
    pipeline = {
        "include": [{"local": base}],
        "stages": ["check", "merge"],
        **checks,
        "verdict": merge,
    }
    return json.dumps(pipeline, indent=2) + "\n"


def _into(number: int) -> tuple[str, ...]:
    return ("--report-dir", f"{PAST}/{number}")


def _line(*words: str) -> str:
    return shlex.join(("exec", "deployguard", *words))


def _merging(reports: list[str]) -> str:
    """Merge what there is: the report itself says which shard is missing."""
    listed = shlex.join(reports)
    return f"exec deployguard report merge $(ls {listed} 2>/dev/null) --into deployguard-report"
