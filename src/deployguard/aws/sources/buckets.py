"""S3 notifications; AWS keeps them by bucket, so the buckets come from the resource policies."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.routes import policies
from deployguard.traffic import Caller, Unread


def callers(asked: Asked) -> Found:
    """Yield each bucket that tells the function of its objects."""
    for bucket in policies.sources(asked.grants(), "s3"):
        if bucket:
            yield from or_unread(f"the notifications of {bucket}", _of(asked, bucket))
        else:
            yield Unread(
                "the buckets that notify the function",
                "a resource policy lets S3 call for any bucket, so it names none",
                "give its statement the bucket as SourceArn",
            )


def _of(asked: Asked, bucket: str) -> Found:
    answer = asked.session.read(
        f"read the notifications of {bucket}",
        asked.session.client("s3").get_bucket_notification_configuration,
        Bucket=bucket.rpartition(":")[2],
    )
    for told in answer.get("LambdaFunctionConfigurations", ()):
        match = asked.callee.match(told.get("LambdaFunctionArn"))
        if match is not None:
            yield Caller("S3 notification", bucket, match.qualifier, ", ".join(told["Events"]))
