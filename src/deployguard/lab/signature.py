"""AWS Signature Version 4, checked with the very code that botocore signs with."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from deployguard.lab.calls import Call
from deployguard.lab.nouns import AwsError

ACCESS_KEY = "LABDEPLOYGUARDACCESS"
SECRET_KEY = "lab/only/and/therefore/no/secret/at/all"
STAMP = "%Y%m%dT%H%M%SZ"
TOLERANCE_S = 300
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)


def verify(call: Call) -> None:
    """Raise AWS's error unless a call is signed as its access key would sign it.

    Its age is taken from the machine's clock: a step of the lab's must not lock its callers out.
    Keys other than the lab's own have secrets that the lab does not know: they are let through.
    """
    if not call.access_key:
        raise AwsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if call.access_key != ACCESS_KEY:
        return
    presigned = parse_qs(call.query)
    if "X-Amz-Signature" in presigned:
        claimed = {name: values[0] for name, values in presigned.items()}
        names, given = claimed.get("X-Amz-SignedHeaders", ""), claimed["X-Amz-Signature"]
        stamp = claimed.get("X-Amz-Date", "")
        lifetime = float(claimed.get("X-Amz-Expires", TOLERANCE_S))
    else:
        fields = call.headers.get("authorization", "").replace(",", " ").split()
        claimed = dict(each.split("=", 1) for each in fields if "=" in each)
        names, given = claimed.get("SignedHeaders", ""), claimed.get("Signature", "")
        stamp, lifetime = call.headers.get("x-amz-date", ""), TOLERANCE_S
    _check_age(stamp, now=time.time(), lifetime_s=lifetime)
    if not hmac.compare_digest(_signature(call, stamp, names=names.split(";")), given):
        raise AwsError(403, "InvalidSignatureException", MISMATCH)


def _signature(call: Call, stamp: str, *, names: list[str]) -> str:
    sha256 = call.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if sha256 not in ("UNSIGNED-PAYLOAD", hashlib.sha256(call.body).hexdigest()):
        return ""
    headers = {name: call.headers.get(name, "") for name in names}
    query = "&".join(
        each for each in call.query.split("&") if not each.startswith("X-Amz-Signature=")
    )
    request = AWSRequest(
        method=call.method,
        # NOTE: botocore leaves the payload unsigned for https only where the operation's model
        # says so, which Invoke's does not: the scheme changes nothing here.
        url=f"http://{call.headers.get('host', '')}{call.path}?{query}",
        headers=headers,
        data=call.body,
    )
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), call.signing_name, call.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _check_age(stamp: str, *, now: float, lifetime_s: float) -> None:
    try:
        signed = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise AwsError(
            403, "IncompleteSignatureException", f"Date must be in ISO-8601 form. Got '{stamp}'."
        ) from error
    age = now - signed.timestamp()
    here = datetime.fromtimestamp(now, UTC).strftime(STAMP)
    if age > lifetime_s:
        raise AwsError(
            403,
            "InvalidSignatureException",
            f"Signature expired: {stamp} is now earlier than {here} minus {lifetime_s:g} s.",
        )
    if age < -TOLERANCE_S:
        raise AwsError(
            403,
            "InvalidSignatureException",
            f"Signature not yet current: {stamp} is still later than {here} plus {TOLERANCE_S} s.",
        )
