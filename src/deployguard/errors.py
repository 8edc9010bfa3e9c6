"""Every way a run can end other than with a verdict: one root, families by who is at fault."""

from __future__ import annotations

from enum import Enum

from deployguard.findings import KINDS, help_of


class DeployguardError(Exception):
    """The root: what happened, the likely cause, and what to do.

    One that is among the findings says what the table says, unless it knows it more exactly.
    """

    exit_code = 1

    def __init__(
        self, happened: str, *, finding: str = "", cause: str = "", fix: str = "", command: str = ""
    ) -> None:
        """Keep the parts apart, so that a report can show them apart."""
        kind = KINDS[finding] if finding else None
        self.happened = f"{finding}: {happened}" if finding else happened
        self.finding = finding
        self.cause = cause or (kind.cause if kind else "")
        self.fix = fix or (kind.fix if kind else "")
        self.command = command or (kind.command if kind else "")
        super().__init__(self.happened)

    @property
    def help(self) -> str:
        """Return where it is explained, if it has a name."""
        return help_of(self.finding) if self.finding else ""

    def __str__(self) -> str:
        """Return the parts as short paragraphs."""
        parts = {"cause": self.cause, "fix": self.fix, "run": self.command, "help": self.help}
        told = (f"  {name + ':':<7}{text}" for name, text in parts.items() if text)
        return "\n".join((self.happened, *told))


class ConfigurationError(DeployguardError):
    """You: a flag, an environment name, a file or a value that cannot be used."""

    exit_code = 2


class Refusal(DeployguardError):
    """The guard said no before anything was changed."""

    exit_code = 3


class Trouble(Enum):
    """The ways in which a call to AWS fails; `aws/failures.py` says what each means."""

    THROTTLED = "throttled"
    UNSENT = "not sent"
    TRANSIENT = "transient"
    LOST = "lost"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    DENIED = "denied"
    MISSING = "missing"
    CREDENTIALS = "credentials"
    PERMANENT = "permanent"


class AwsFailure(DeployguardError):
    """AWS failed, or answered what nobody could use; the state is whole.

    `code` is AWS's error code, or empty where no answer came; `maybe_applied` says that a write may
    have taken effect.
    """

    exit_code = 4

    def __init__(
        self,
        happened: str,
        *,
        finding: str = "",
        cause: str = "",
        fix: str = "",
        code: str = "",
        trouble: Trouble = Trouble.PERMANENT,
        maybe_applied: bool = False,
    ) -> None:
        """Keep AWS's code beside the message."""
        super().__init__(happened, finding=finding, cause=cause, fix=fix)
        self.code = code
        self.trouble = trouble
        self.maybe_applied = maybe_applied

    @property
    def is_conflict(self) -> bool:
        """Say whether another change was in the way, or what was to be created exists."""
        return self.trouble is Trouble.CONFLICT

    @property
    def is_precondition(self) -> bool:
        """Say whether the write was refused because it was decided on an older state."""
        return self.trouble is Trouble.PRECONDITION

    @property
    def is_undecided(self) -> bool:
        """Say whether reading again decides what became of the write, and what to do next."""
        return self.maybe_applied or self.is_conflict or self.is_precondition


class AccessDenied(AwsFailure):
    """The role lacks an action; a refusal while nothing was changed yet."""

    exit_code = 3


class NoCredentials(AwsFailure):
    """You: there is nothing to sign a call with, so none was sent."""

    exit_code = 2


class NotFound(AwsFailure):
    """AWS knows no such function, alias, version or image."""

    exit_code = 3


class Superseded(DeployguardError):
    """Somebody else's deploy moved on; theirs is left alone."""

    exit_code = 12


class OutOfTime(DeployguardError):
    """AWS did not get ready within the run's time, so nothing could be judged."""

    exit_code = 11


class Withheld(DeployguardError):
    """Another function of the fleet failed, so this one was not begun, not moved, or put back."""

    exit_code = 11


class Attention(DeployguardError):
    """Something could not be put back; a person must run the command that it gives."""

    exit_code = 20


class Interrupted(BaseException):
    """A signal ended the run.

    NOTE: no Exception, because libraries catch those: botocore would take one that arrives during
    a call for a network error, and call again.
    """

    def __init__(self, signal_number: int, *, left: DeployguardError | None = None) -> None:
        """Exit as a shell would after this signal; `left` is what could not be put back."""
        self.happened = f"interrupted by signal {signal_number}"
        self.cause = self.fix = self.command = self.finding = self.help = ""
        if left is not None:
            self.happened += f"; {left.happened}"
            self.cause, self.fix, self.command = left.cause, left.fix, left.command
            self.finding, self.help = left.finding, left.help
        self.exit_code = 128 + signal_number
        super().__init__(self.happened)


def parts_of(error: DeployguardError | Interrupted) -> dict[str, str]:
    """Return what an error says, as a report holds it."""
    return {
        "id": error.finding,
        "kind": type(error).__name__,
        "happened": error.happened,
        "cause": error.cause,
        "fix": error.fix,
        "command": error.command,
        "help": error.help,
    }
