"""The control plane's errors, with the codes and words that Lambda answers."""

from __future__ import annotations

from deployguard.lab.nouns import AwsError

STALE_REVISION = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the {} API to retrieve the latest Revision Id"
)
NO_RESOURCE = "The resource you requested does not exist."


def invalid(message: str) -> AwsError:
    """Return the error for a parameter that Lambda understands and refuses."""
    return AwsError(400, "InvalidParameterValueException", message)


def limit(message: str) -> AwsError:
    """Return the error of the concurrency limits, the one refusal that says no `Type`."""
    return AwsError(400, "InvalidParameterValueException", message, Type=None)


def validation(*complaints: str) -> AwsError:
    """Return the error of the API's own validation, before Lambda sees the request."""
    number = len(complaints)
    plural = "" if number == 1 else "s"
    text = f"{number} validation error{plural} detected: " + "; ".join(complaints)
    return AwsError(400, "ValidationException", text)


def not_found(message: str) -> AwsError:
    """Return the error for something that is not there."""
    return AwsError(404, "ResourceNotFoundException", message)


def no_function(arn: str) -> AwsError:
    """Return the error for a function or version that is not there."""
    return not_found(f"Function not found: {arn}")


def conflict(message: str) -> AwsError:
    """Return the error for a state that forbids the operation."""
    return AwsError(409, "ResourceConflictException", message)


def updating(arn: str) -> AwsError:
    """Return the error for a change while another one is still being applied."""
    return conflict(
        "The operation cannot be performed at this time. "
        f"An update is in progress for resource: {arn}"
    )


def not_ready(state: str) -> AwsError:
    """Return the error for using a function before it is active."""
    return conflict(
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {state}"
    )


def stale_revision(api: str = "GetFunction/GetAlias") -> AwsError:
    """Return the error for a `RevisionId` that is not the latest."""
    return AwsError(412, "PreconditionFailedException", STALE_REVISION.format(api))


def not_in_lab(what: str) -> AwsError:
    """Return the loud refusal of what Lambda can do and the lab cannot."""
    return AwsError(501, "NotImplementedByLab", f"The lab does not implement {what}.")
