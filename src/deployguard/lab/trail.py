"""CloudTrail's event history: what was changed on Lambda, by whom, as LookupEvents tells it."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from deployguard.lab import policy
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.control import wire
from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import ACCOUNT, AwsError

JSON = (("content-type", "application/x-amz-json-1.1"),)
SOURCE = "lambda.amazonaws.com"
PAGE = 50
KEPT_S = 90 * 86_400
REMEMBERED = 100_000  # events
READS = ("Get", "List", "Invoke")
DATED = {  # the names that CloudTrail has for operations: with the API's date, and a version
    "20150331": (
        "CreateAlias", "CreateEventSourceMapping", "CreateFunction", "DeleteAlias",
        "DeleteEventSourceMapping", "DeleteFunction", "PublishVersion", "UpdateAlias",
        "UpdateEventSourceMapping",
    ),
    "20150331v2": (
        "AddPermission", "RemovePermission", "UpdateFunctionCode", "UpdateFunctionConfiguration",
    ),
    "20170331v2": ("TagResource", "UntagResource"),
    "20171031": ("DeleteFunctionConcurrency", "PutFunctionConcurrency"),
}  # fmt: skip
NAMES = {name: f"{name}{date}" for date, names in DATED.items() for name in names}
HIDDEN = ("environment",)  # shown, but empty
ABSENT = ("zipFile",)
AS_THEY_ARE = ("tags", "additionalVersionWeights")  # maps, whose keys are nobody's member names


@dataclass(frozen=True)
class Event:
    """One call that changed something, or was to."""

    at: float
    region: str
    access_key: str
    names: tuple[str, ...]  # of the function, as it was given and as it is
    record: Mapping[str, Any]  # what CloudTrail itself writes

    def told(self) -> dict[str, Any]:
        """Return it as LookupEvents does."""
        return {
            "EventId": self.record["eventID"],
            "EventName": self.record["eventName"],
            "ReadOnly": "false",
            "AccessKeyId": self.access_key,
            "EventTime": int(self.at),
            "EventSource": SOURCE,
            "Username": self.record["userIdentity"]["userName"],
            "Resources": [
                {"ResourceType": "AWS::Lambda::Function", "ResourceName": name}
                for name in self.names
            ],
            "CloudTrailEvent": json.dumps(self.record),
        }


class Trail:
    """The event history of every region."""

    def __init__(self, knobs: Knobs) -> None:
        """Start with nothing."""
        self.knobs = knobs
        self.events: deque[Event] = deque(maxlen=REMEMBERED)

    def note(self, call: Call, answer: Answer) -> None:
        """Take note of a call that may have changed something."""
        if call.service != "lambda" or call.operation.startswith(READS) or answer.status == 501:
            return
        asked = _asked(call)
        at = self.knobs.clock.now()
        told = json.loads(answer.body or b"null")
        arns = [] if answer.status >= 400 or told is None else _arns(told)
        given = asked.get("FunctionName") or asked.get("Resource")
        names = tuple(dict.fromkeys([*arns, *([given] if given else [])]))
        record = _record(call, answer, at=at, asked=asked, told=told)
        self.events.append(Event(at, call.region, call.access_key, names, record))

    def serve(self, call: Call) -> Answer | None:
        """Answer LookupEvents, and leave everything else."""
        if (call.service, call.operation) != ("cloudtrail", "LookupEvents"):
            return None
        told = self._lookup(call.region, call.json())
        return Answer(200, json.dumps(told).encode(), JSON)

    def _lookup(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        now = self.knobs.clock.now()
        since = max(asked.get("StartTime") or 0, now - KEPT_S)
        until = min(asked.get("EndTime") or now, now - self.knobs.trail_delay_s)
        if asked.get("EndTime") and asked["EndTime"] < since:
            raise _refusal("InvalidTimeRange", "The start time must be before the end time.")
        attributes = asked.get("LookupAttributes") or []
        if len(attributes) > 1:
            raise _refusal("InvalidLookupAttributes", "Only one lookup attribute is allowed.")
        size = asked.get("MaxResults") or PAGE
        if not 1 <= size <= PAGE:
            raise _refusal("InvalidMaxResults", f"MaxResults is between 1 and {PAGE}.")
        found = [
            event.told()
            for event in reversed(self.events)
            if event.region == region
            and int(since) <= event.at <= until
            and all(_has(event, each) for each in attributes)
        ]
        start = _start(asked.get("NextToken"))
        more = {"NextToken": _token(start + size)} if start + size < len(found) else {}
        return {"Events": found[start : start + size], **more}


def _asked(call: Call) -> dict[str, Any]:
    """Return the members of a request, none of one that cannot be read."""
    try:
        _, asked = wire.read(
            call.operation,
            path=call.path,
            query=parse_qs(call.query),
            headers=call.headers,
            body=call.body,
        )
    except AwsError:
        return {}
    return asked


def _record(
    call: Call, answer: Answer, *, at: float, asked: Mapping[str, Any], told: Any
) -> dict[str, Any]:
    """Return what CloudTrail writes of a call."""
    failed = answer.status >= 400
    refused = {
        "errorCode": dict(answer.headers).get("x-amzn-errortype", "InternalFailure"),
        "errorMessage": (told or {}).get("Message") or (told or {}).get("message"),
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "LAB",
            "arn": policy.USER,
            "accountId": ACCOUNT,
            "accessKeyId": call.access_key,
            "userName": policy.USER.rpartition("/")[2],
        },
        "eventTime": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SOURCE,
        "eventName": NAMES.get(call.operation, call.operation),
        "awsRegion": call.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": call.headers.get("user-agent", ""),
        **(refused if failed else {}),
        "requestParameters": _shown(asked),
        "responseElements": None if failed else _shown(told),
        "requestID": call.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def _shown(value: Any, name: str = "") -> Any:
    """Return parameters with the members' names in CloudTrail's case, and nothing secret."""
    if name in HIDDEN:
        return {}
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if not isinstance(value, dict) or name in AS_THEY_ARE:
        return value
    named = {f"{key[0].lower()}{key[1:]}": inner for key, inner in value.items()}
    return {key: _shown(inner, key) for key, inner in named.items() if key not in ABSENT}


def _arns(told: Mapping[str, Any]) -> list[str]:
    found = [told.get(member) for member in ("FunctionArn", "AliasArn")]
    return [arn for arn in found if isinstance(arn, str)]


def _has(event: Event, attribute: Mapping[str, str]) -> bool:
    value, told = attribute["AttributeValue"], event.told()
    match attribute["AttributeKey"]:
        case "ResourceName":
            return value in event.names
        case "ResourceType":
            return value == "AWS::Lambda::Function"
        case key:
            return bool(told.get(key) == value)


def _token(start: int) -> str:
    return base64.b64encode(str(start).encode()).decode()


def _start(given: str | None) -> int:
    try:
        return int(base64.b64decode(given)) if given else 0
    except (binascii.Error, ValueError):
        raise _refusal("InvalidNextToken", "The NextToken is not valid.") from None


def _refusal(code: str, text: str) -> AwsError:
    return AwsError(400, f"{code}Exception", text)
