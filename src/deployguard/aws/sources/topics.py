"""SNS subscriptions, of the topics that the resource policies name, or of all."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.routes import policies
from deployguard.traffic import Caller


def callers(asked: Asked) -> Found:
    """Yield each topic that the function is subscribed to."""
    for topic in policies.sources(asked.grants(), "sns"):
        yield from or_unread(f"the subscriptions of {topic or 'all topics'}", _of(asked, topic))


def _of(asked: Asked, topic: str) -> Found:
    client = asked.session.client("sns")
    by_topic = (client.list_subscriptions_by_topic, {"TopicArn": topic})
    call, named = by_topic if topic else (client.list_subscriptions, {})
    for subscription in asked.session.read_all(
        f"list the subscriptions of {topic or 'all topics'}", call, "Subscriptions", **named
    ):
        match = asked.callee.match(subscription.get("Endpoint"))
        if match is not None and subscription.get("Protocol") == "lambda":
            yield Caller("SNS topic", subscription.get("TopicArn", ""), match.qualifier)
