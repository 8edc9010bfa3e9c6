"""S3, as far as reports lie there: one object a report."""

from __future__ import annotations

import re
from typing import NamedTuple

from deployguard.aws.session import Session
from deployguard.errors import ConfigurationError

ADDRESS = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[\w!.*'()/-]{1,900})"
)


class Place(NamedTuple):
    """Where an object lies."""

    bucket: str
    key: str


def place(address: str) -> Place:
    """Take an address apart; refuse what is none."""
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigurationError(
            f"not an address in S3: got {address!r}", fix="expected s3://BUCKET/FOLDER"
        )
    return Place(match["bucket"], match["key"])


def put(session: Session, address: str, text: str) -> None:
    """Write an object whole.

    As often as a read, since one that is written twice is the same.
    """
    bucket, key = place(address)
    session.read(
        f"write {address}",
        session.client("s3").put_object,
        Bucket=bucket,
        Key=key,
        Body=text.encode(),
        ContentType="application/json",
    )


def get(session: Session, address: str) -> bytes:
    """Read an object whole."""
    bucket, key = place(address)
    client = session.client("s3")

    def whole() -> bytes:
        body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    return session.read(f"read {address}", whole)
