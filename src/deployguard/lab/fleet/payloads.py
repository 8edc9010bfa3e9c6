"""What an invocation's payload may be, and AWS's words for one that may not."""

from __future__ import annotations

import json
import re

from deployguard.lab.nouns import AwsError

LIMITS = {"RequestResponse": 6_291_456, "Event": 1_048_576, "DryRun": 6_291_456}
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
HIDDEN = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
TOKEN = re.compile(r"[^\W\d]\w*")


def check_size(payload: bytes, invocation_type: str) -> None:
    """Refuse what is too large."""
    limit = LIMITS.get(invocation_type)
    if limit is not None and len(payload) > limit:
        raise AwsError(
            413,
            "RequestEntityTooLargeException",
            f"{len(payload)} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {limit} bytes)",
            Type="User",
        )


def checked_json(payload: bytes) -> bytes:
    """Return the payload when it is JSON; none at all means an empty object."""
    if not payload:
        return b"{}"
    try:
        text = payload.decode()
        json.loads(text, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        bad = payload[error.start]
        raise _invalid(f"Invalid UTF-8 start byte 0x{bad:x}", 1, error.start + 2) from None
    except json.JSONDecodeError as error:
        raise _invalid(_complaint(text, error.pos), error.lineno, error.colno) from None
    except ValueError:
        raise _invalid("Non-standard token: use of 'NaN' or 'INF' is not allowed", 1, 1) from None
    return payload


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _complaint(text: str, position: int) -> str:
    """Say what is wrong in the words of the parser that AWS uses."""
    if position >= len(text):
        return "Unexpected end-of-input"
    if token := TOKEN.match(text, position):
        return f"Unrecognized token '{token[0]}': was expecting {VALUES}"
    found = text[position]
    return f"Unexpected character ('{found}' (code {ord(found)})): expected a valid value {VALUES}"


def _invalid(complaint: str, line: int, column: int) -> AwsError:
    return AwsError(
        400,
        "InvalidRequestContentException",
        "Could not parse request body into json: Could not parse payload into json: "
        f"{complaint}\n at [Source: {HIDDEN}; line: {line}, column: {column}]",
        Type="User",
    )
