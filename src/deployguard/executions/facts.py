"""What AWS tells now of the functions of an execution, each version, alias and image once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from deployguard.aws import configurations, functions
from deployguard.aws.configurations import Configured
from deployguard.executions.asking import Asking
from deployguard.executions.builds import Image, Served
from deployguard.executions.names import short
from deployguard.executions.nouns import Attempt, Build
from deployguard.model import LATEST

Qualified = tuple[str, str]  # a function's ARN, and a version or an alias


@dataclass
class Facts:
    """What AWS tells now of functions: what each version is, and what each alias serves."""

    versions: dict[Qualified, Configured] = field(default_factory=dict)
    aliases: dict[Qualified, Mapping[str, float]] = field(default_factory=dict)

    def served(self) -> dict[str, Served]:
        """Return it function by function."""
        return {
            function: Served(
                digests={
                    version: told.digest
                    for (name, version), told in self.versions.items()
                    if name == function and told.digest
                },
                published={
                    version: told.configuration.modified
                    for (name, version), told in self.versions.items()
                    if name == function
                },
                aliases={
                    alias: now for (name, alias), now in self.aliases.items() if name == function
                },
            )
            for function in {name for name, _ in (*self.versions, *self.aliases)}
        }

    def learn(self, asking: Asking, attempts: Sequence[Attempt]) -> None:
        """Read what the called aliases serve now, and each version that is known so far."""
        called = {(each.function, each.qualifier or LATEST) for each in attempts if each.function}
        aliases = sorted(pair for pair in called if pair[1] != LATEST and not pair[1].isdigit())

        def alias(pair: Qualified) -> None:
            what = f"what alias {pair[1]} of {short(pair[0])} serves"
            now = asking.attempt(what, partial(functions.alias, asking.session, *pair))
            if now is not None:
                rest = 1.0 - sum(now.weights.values())
                self.aliases[pair] = {now.version: rest, **now.weights}

        asking.all("reading aliases", alias, aliases)
        named = {(function, LATEST) for function, _ in called}
        named |= {pair for pair in called if pair[1].isdigit()}
        named |= {(each.function, each.version) for each in attempts if each.version}
        named |= {(pair[0], version) for pair, now in self.aliases.items() for version in now}
        self.learn_versions(asking, named)

    def learn_versions(self, asking: Asking, wanted: Iterable[tuple[str, str | None]]) -> None:
        """Read each version that is not known yet, once."""
        new = sorted(
            {(name, version) for name, version in wanted if name and version} - {*self.versions}
        )

        def version(pair: Qualified) -> None:
            what = f"what {short(pair[0])}:{pair[1]} is"
            told = asking.attempt(what, partial(configurations.read, asking.session, *pair))
            if told is not None:
                self.versions[pair] = told

        asking.all("reading versions", version, new)

    def images(
        self, asking: Asking, attempts: Sequence[Attempt], ran: Sequence[Build]
    ) -> Mapping[str, Image]:
        """Read the tags, the push and the build id of each image that ran, or may have."""
        uris = {told.digest: told.image for told in self.versions.values() if told.digest}
        digests = {build.digest for build in ran if build.digest}
        if any(build.build_id for build in ran):
            digests |= set(uris)
        for attempt, build in zip(attempts, ran, strict=True):
            latest = self.versions.get((attempt.function, LATEST))
            if build.digest and latest is not None and latest.image:
                repository = latest.image.partition("@")[0]
                uris.setdefault(build.digest, f"{repository}@{build.digest}")

        def image(digest: str) -> Image:
            uri = uris[digest]
            told = asking.attempt(
                "the tags of images, and when they were pushed",
                partial(configurations.pushed, asking.session, uri),
            )
            build_id = asking.attempt(
                "the build ids in the labels of images",
                partial(configurations.build_id, asking.session, uri),
            )
            return Image(told.tags if told else (), told.at if told else None, build_id)

        known = sorted(digest for digest in digests if digest and uris.get(digest))
        return dict(zip(known, asking.all("reading images", image, known), strict=True))
