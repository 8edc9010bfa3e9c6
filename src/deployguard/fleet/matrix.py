"""The plan of a fleet as CI services take it: GitHub a matrix, GitLab a child pipeline."""

from __future__ import annotations

import json
import shlex

from deployguard.fleet.plan import Plan

# The hidden job that the project defines: its image, how deployguard is installed, how it signs in.
BASE = ".deployguard"
PARTS = "deployguard-shards"
WHOLE = "deployguard-report"


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
    # The number alone is for names, in which a service allows no slash.
    include = [
        {"shard": f"{number}/{shards}", "number": number, "functions": len(members)}
        for number, members in enumerate(plan.shards, 1)
    ]
    return json.dumps({"include": include}) + "\n"


def gitlab(plan: Plan, *, base: str, durations: str) -> str:
    """Return a child pipeline: a job for each shard, and one that makes one report of theirs.

    JSON is YAML, and every text in it is quoted.
    """
    shards = len(plan.shards)
    checks = {
        f"check {number}/{shards}": {
            "extends": BASE,
            "stage": "check",
            "variables": _variables(f"{number}/{shards}", into=f"{PARTS}/{number}", past=durations),
            "script": ["exec deployguard check --all"],
            "artifacts": {"when": "always", "paths": [f"{PARTS}/{number}"]},
        }
        for number in range(1, shards + 1)
    }
    merge = {
        "extends": BASE,
        "stage": "merge",
        "when": "always",
        "script": [_merging([f"{PARTS}/{number}/report.json" for number in range(1, shards + 1)])],
        "artifacts": {
            "when": "always",
            "paths": [WHOLE],
            "reports": {"junit": f"{WHOLE}/junit.xml"},
        },
    }
    pipeline = {
        "include": [{"local": base}],
        "stages": ["check", "merge"],
        **checks,
        "verdict": merge,
    }
    return json.dumps(pipeline, indent=2) + "\n"


def _variables(shard: str, *, into: str, past: str) -> dict[str, str]:
    """Say in variables what a job checks: what recovers in its `after_script` reads them, too."""
    named = {
        "DEPLOYGUARD_SHARD": shard,
        "DEPLOYGUARD_REPORT_DIR": into,
        "DEPLOYGUARD_DURATIONS": past.replace("$", "$$"),
    }
    return {name: text for name, text in named.items() if text}


def _merging(reports: list[str]) -> str:
    """Merge what there is: the report itself says which shard is missing."""
    listed = shlex.join(reports)
    return (
        f"exec deployguard report merge $(ls {listed} 2>/dev/null)"
        f" --into {WHOLE} --to html --to junit"
    )
