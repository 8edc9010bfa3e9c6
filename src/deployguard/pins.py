"""What a team pins: the account, the region and the endpoint that a run may work in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployguard.errors import Refusal

if TYPE_CHECKING:
    from deployguard.aws.session import Session
    from deployguard.config import Settings
    from deployguard.doctor.facts import Place
    from deployguard.target import Target


def refuse_elsewhere(session: Session, settings: Settings, target: Target) -> None:
    """Refuse to work where nobody expected it; ask nothing where nothing is pinned."""
    if not (settings.expect_account or settings.expect_region or settings.expect_endpoint):
        return
    from deployguard.aws import identity

    account = target.account or ("" if settings.expect_account is None else None)
    refuse_unexpected(identity.place(session, account=account), settings)


def refuse_unexpected(place: Place, settings: Settings) -> None:
    """Refuse a place that is not as pinned."""
    for what, got, wanted, cause in (
        (
            "account",
            place.account,
            settings.expect_account,
            "the credentials, or the ARN of the function, are of another account",
        ),
        (
            "region",
            place.region,
            settings.expect_region,
            "AWS_DEFAULT_REGION, the profile, or the ARN of the function names another region",
        ),
    ):
        if wanted is not None and got != wanted:
            raise Refusal(
                f"the {what} is {got}, but {wanted} is expected",
                finding="DG501",
                cause=cause,
                fix=f"work in {wanted}, or change expect-{what}",
            )
    is_pinned = settings.expect_account or settings.expect_region or settings.expect_endpoint
    if is_pinned and not place.is_aws and place.endpoint != settings.expect_endpoint:
        expected = settings.expect_endpoint or "AWS's own"
        raise Refusal(
            f"calls go to {place.endpoint}, but {expected} is expected",
            finding="DG501",
            cause="AWS_ENDPOINT_URL or the AWS configuration file sends them there",
            fix=f"unset it, or allow it: --expect-endpoint {place.endpoint}",
        )
