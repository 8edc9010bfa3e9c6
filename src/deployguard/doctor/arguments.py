"""`deployguard doctor ...`: what it takes beside the settings, and which document that asks for."""

from __future__ import annotations

import argparse
import re

from deployguard import permissions
from deployguard.aws import identity
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.doctor import granted, iam
from deployguard.errors import ConfigurationError
from deployguard.model import LATEST
from deployguard.permissions import COMMANDS, DEPLOYING
from deployguard.scope import Scope
from deployguard.target import Target, target_of

REPOSITORY = re.compile(r"[\w.-]+(@\d+)?(/[\w.-]+(@\d+)?)+")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options that no file and no environment should set."""
    parser.add_argument(
        "--commands",
        metavar="NAME,...",
        type=_commands,
        default=DEPLOYING,
        help=f"the commands to look at, of {', '.join(COMMANDS)} (default: {','.join(DEPLOYING)})",
    )
    policy = parser.add_argument_group("the least IAM policy")
    policy.add_argument("--policy", action="store_true", help="print it, and look at nothing")
    policy.add_argument(
        "--qualifiers",
        metavar="NAME,...",
        type=lambda text: tuple(text.split(",")),
        default=(),
        help="the qualifiers that callers use (default: any)",
    )
    policy.add_argument("--as", dest="form", choices=("json", "terraform"), default="json")
    trust = parser.add_argument_group("the trust policy for a pipeline without stored keys")
    trust.add_argument("--trust", choices=("github", "gitlab"), help="print it")
    trust.add_argument("--repository", metavar="OWNER/NAME", help="its repository or project")
    trust.add_argument("--branch", metavar="NAME", default="main", help="default: main")
    trust.add_argument("--environment", metavar="NAME", help="GitHub's, instead of a branch")
    trust.add_argument("--host", metavar="HOST", default="gitlab.com", help="of your GitLab")


def _commands(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(COMMANDS)}")
    return names


def document(parsed: argparse.Namespace, settings: Settings) -> str:
    """Return the document that was asked for, or nothing where none was."""
    if parsed.trust:
        return _trust(parsed, settings)
    return _policy(parsed, settings) if parsed.policy else ""


def _policy(parsed: argparse.Namespace, settings: Settings) -> str:
    wanted = target_of(settings.function)
    session = Session(region=wanted.region or settings.expect_region)
    arn = wanted.name
    if wanted.account is None:
        start = f"arn:{session.partition}:lambda:{session.region}"
        arn = f"{start}:{_account(session, settings, wanted)}:function:{wanted.name}"
    repository = (
        granted.repository(session.partition, settings.image)
        if settings.image
        else f"arn:{session.partition}:ecr:{session.region}:{arn.split(':')[4]}:repository/*"
    )
    qualifiers = tuple(sorted(set(parsed.qualifiers), key=lambda name: (name != LATEST, name)))
    scope = Scope(arn, repository, qualifiers)
    make = iam.terraform if parsed.form == "terraform" else iam.policy
    return make(permissions.of(parsed.commands), scope)


def _trust(parsed: argparse.Namespace, settings: Settings) -> str:
    if not parsed.repository or not REPOSITORY.fullmatch(parsed.repository):
        raise ConfigurationError(
            f"--repository names none: got {parsed.repository!r}",
            fix="expected OWNER/NAME; on GitHub OWNER@ID/NAME@ID, as `gh api repos/OWNER/NAME "
            "--jq '[.owner.id, .id]'` shows them",
        )
    wanted = target_of(settings.function) if settings.function else Target("", None, None)
    session = Session(region=wanted.region or settings.expect_region)
    return iam.trust(
        parsed.trust,
        account=_account(session, settings, wanted),
        partition=session.partition,
        repository=parsed.repository,
        branch=parsed.branch,
        environment=parsed.environment,
        host=parsed.host,
    )


def _account(session: Session, settings: Settings, wanted: Target) -> str:
    """Return the account that was named, or whose credentials there are."""
    return wanted.account or settings.expect_account or identity.place(session).account
