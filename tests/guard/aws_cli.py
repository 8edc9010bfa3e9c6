"""As much of the AWS CLI as the documentation uses: `aws SERVICE OPERATION --option value`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name


def main(words: list[str]) -> None:
    """Make the call; the one word without an option is the file that the payload goes to."""
    service, operation, *rest = words
    client: Any = boto3.Session().client(service)  # type: ignore[call-overload] # any of them
    name = next(n for n in client.meta.service_model.operation_names if cli_name(n) == operation)
    members = client.meta.service_model.operation_model(name).input_shape.members
    arguments: dict[str, Any] = {}
    while rest and rest[0].startswith("--"):
        option, value, *rest = rest
        member = next(m for m in members if cli_name(m) == option.removeprefix("--"))
        arguments[member] = parsed(value)
    if operation == "invoke" and ":" in arguments["FunctionName"]:
        arguments["FunctionName"], _, arguments["Qualifier"] = arguments["FunctionName"].partition(
            ":"
        )
    answer = client._make_api_call(name, arguments)
    if rest:
        Path(rest[0]).write_bytes(answer["Payload"].read())


def cli_name(name: str) -> str:
    """Return what the CLI calls an operation or a member."""
    return xform_name(name, "-")


def parsed(value: str) -> Any:
    """Return a value of the shorthand syntax."""
    if value.startswith("fileb://"):
        return Path(value.removeprefix("fileb://")).read_bytes()
    pair = re.fullmatch(r"(\w+)=(.*)", value)
    return {pair[1]: pair[2]} if pair else value


if __name__ == "__main__":
    main(sys.argv[1:])
