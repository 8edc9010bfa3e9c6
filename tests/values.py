"""Values that tests start from; each replaces what it is about."""

from __future__ import annotations

from deployguard.model import LATEST, Mode
from deployguard.resources import Function

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
DIGEST = f"sha256:{'7d3f' * 16}"
FUNCTION = Function(
    name="reports",
    arn=ARN,
    version=LATEST,
    digest=DIGEST,
    image_uri=None,
    package_type="Image",
    state="Active",
    state_reason="",
    update_status="Successful",
    update_reason="",
    revision="",
    modified=0.0,
    timeout_s=5,
    architecture="x86_64",
    mode=Mode(),
    fingerprint="",
)
