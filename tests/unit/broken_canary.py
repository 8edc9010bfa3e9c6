"""A program that answers canaries with the helper for Python, but for one rule that it breaks."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from deployguard.canary import breadcrumb

Answer = Any
TIMEOUT_MS = 1_000  # of the function that it plays, so that no hold is long


class Context:
    """Of an invocation that began now."""

    def __init__(self) -> None:
        self.ends = time.monotonic() + TIMEOUT_MS / 1000

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends - time.monotonic()) * 1000)


def handler(event: Any) -> Answer:
    return {"handled": True}


def right(event: Any) -> Answer:
    return breadcrumb(event, Context()) or handler(event)


def changed(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Callable[[Any], Answer]:
    """Answer rightly, then change the breadcrumb; the change is told the request, too."""

    def answer(event: Any) -> Answer:
        found = right(event)
        if "deployguard" in found:
            change(found["deployguard"], event["deployguard"])
        return found

    return answer


def put(**fields: Any) -> Callable[[Any], Answer]:
    return changed(lambda crumb, _: crumb.update(fields))


def asked(nonce: str = "0" * 32, **fields: Any) -> dict[str, Any]:
    return {"deployguard": {"canary": 1, "nonce": nonce, **fields}}


state = {"canaries": 0, "lookalikes": 0}


def only_canaries(crumb: dict[str, Any], _: object) -> None:
    state["canaries"] += 1
    crumb["invocation"] = state["canaries"]


def back(crumb: dict[str, Any], _: object) -> None:
    crumb["uptime_s"] -= crumb["uptime_s"] * 0.9 if crumb["invocation"] > 3 else 0


def unheld(event: Any) -> Answer:
    if isinstance(event, dict) and isinstance(event.get("deployguard"), dict):
        event["deployguard"].pop("hold_ms", None)
    return right(event)


def claimed(event: Any) -> Answer:
    request = event.get("deployguard") if isinstance(event, dict) else None
    hold_ms = request.get("hold_ms", 0) if isinstance(request, dict) else 0
    found = unheld(event)
    if "deployguard" in found:
        found["deployguard"]["released"] += min(hold_ms, 500) / 1000
    return found


def uncapped(event: Any) -> Answer:
    found = right(event)
    if "deployguard" in found and event["deployguard"].get("hold_ms", 0) > 10_000:
        time.sleep(10.2)
        found["deployguard"]["released"] = time.time()
        found["deployguard"]["uptime_s"] += 10.2
    return found


def to_the_end(event: Any) -> Answer:
    found = right(event)
    if "deployguard" in found and event["deployguard"].get("hold_ms", 0) > 10_000:
        found["deployguard"]["remaining_ms"] = 0
    return found


def strict(event: Any) -> Answer:
    known = {"canary", "nonce", "hold_ms", "self_test", "padding"}
    request = event.get("deployguard") if isinstance(event, dict) else None
    is_known = not isinstance(request, dict) or known.issuperset(request)
    return right(event) if is_known else handler(event)


def small(event: Any) -> Answer:
    return right(event) if len(json.dumps(event)) < 65_536 else handler(event)


def slow(event: Any) -> Answer:
    time.sleep(0.2)
    return right(event)


def beside(event: Any) -> Answer:
    if isinstance(event, dict) and "deployguard" in event and "headers" not in event:
        return right({"deployguard": event["deployguard"]})
    return right(event)


def any_nonce(event: Any) -> Answer:
    found = right(event)
    request = event.get("deployguard") if isinstance(event, dict) and len(event) == 1 else None
    number = request.get("canary") if isinstance(request, dict) else None
    is_canary = type(number) is int and number == 1
    return right(asked()) if is_canary and "deployguard" not in found else found


def any_number(event: Any) -> Answer:
    request = event.get("deployguard") if isinstance(event, dict) and len(event) == 1 else None
    if isinstance(request, dict) and "nonce" in request and request.get("canary") is True:
        return right(asked(request["nonce"]))
    return right(event)


def in_a_list(event: Any) -> Answer:
    return right(event[0] if isinstance(event, list) else event)


def in_a_body(event: Any) -> Answer:
    return right(
        json.loads(event["body"]) if isinstance(event, dict) and "body" in event else event
    )


def in_records(event: Any) -> Answer:
    is_queue = isinstance(event, dict) and event.get("Records")
    return right(json.loads(event["Records"][0].get("body", "{}")) if is_queue else event)


def ordinary_too(event: Any) -> Answer:
    return right(asked() if event == {"order": 7} else event)


def deaf(event: Any) -> Answer:
    """Answer nothing that follows an event of HTTP."""
    state["lookalikes"] += isinstance(event, dict) and "body" in event
    return handler(event) if state["lookalikes"] else right(event)


def crashing(event: Any) -> Answer:
    if isinstance(event, list):
        sys.stderr.write("it is a list\n")
        sys.exit(3)
    return right(event)


def hanging(event: Any) -> Answer:
    time.sleep(60)


def chatty(event: Any) -> Answer:
    sys.stdout.write('"a line of its own"\n')
    return right(event)


def escaping(event: Any) -> Answer:
    return {"answer": "\x1b[2J\n::error::forged"}


def nested(event: Any) -> Answer:
    found = json.dumps(right(event))
    deep = '{"a":' * 900 + "1" + "}" * 900
    return Text(re.sub(r'"stamp": null|"stamp": \{.*?\}', f'"stamp": {deep}', found))


class Text(str):
    """An answer that is JSON already."""


CHANGES: dict[str, Callable[[Any], Answer]] = {
    "nothing": right,
    "no breadcrumb": handler,
    "another number": put(breadcrumb=2),
    "another nonce": put(nonce="0" * 32),
    "both": changed(lambda crumb, _: crumb.update(stamp={}, stamp_error="missing")),
    "neither": changed(lambda crumb, _: (crumb.update(stamp=None), crumb.pop("stamp_error"))),
    "a bad build id": put(stamp={"schema": "deployguard/stamp/v1", "build_id": "a b"}),
    "an id of each answer": changed(lambda crumb, r: crumb.update(container=r["nonce"])),
    "a birth of each answer": changed(lambda crumb, _: crumb.update(born=crumb["received"])),
    "capitals": changed(lambda crumb, _: crumb.update(container=crumb["container"].upper())),
    "no container": changed(lambda crumb, _: crumb.pop("container")),
    "a text for a number": put(born="today"),
    "no log stream": changed(lambda crumb, _: crumb.pop("log_stream")),
    "a broken text": put(request_id="a\nb"),
    "milliseconds": changed(lambda c, _: c.update(uptime_s=c["uptime_s"] * 1000 + 1_000)),
    "local time": changed(
        lambda c, _: c.update({k: c[k] + 3600 for k in ("born", "received", "released")})
    ),
    "released before": changed(lambda crumb, _: crumb.update(released=crumb["received"] - 1)),
    "uptime back": changed(back),
    "no count": put(invocation=1),
    "canaries only": changed(only_canaries),
    "twice": changed(lambda crumb, _: crumb.update(invocation=2 * crumb["invocation"] - 1)),
    "unheld": unheld,
    "claimed": claimed,
    "uncapped": uncapped,
    "to the end": to_the_end,
    "strict": strict,
    "small": small,
    "slow": slow,
    "a bad self-test": changed(lambda c, r: c.update(self_test=True) if "self_test" in r else None),
    "unasked self-test": put(self_test={"ok": True, "detail": "", "seconds": 0}),
    "ordinary too": ordinary_too,
    "beside": beside,
    "any nonce": any_nonce,
    "any number": any_number,
    "in a list": in_a_list,
    "in a body": in_a_body,
    "in records": in_records,
    "deaf": deaf,
    "crashing": crashing,
    "hanging": hanging,
    "chatty": chatty,
    "escaping": escaping,
    "nested": nested,
}


def main() -> None:
    answer = CHANGES[sys.argv[1]]
    for line in sys.stdin:
        found = answer(json.loads(line))
        sys.stdout.write((found if isinstance(found, Text) else json.dumps(found)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
