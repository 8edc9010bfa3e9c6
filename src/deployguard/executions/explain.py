"""Why an execution failed: its failures, each with its ranked hypotheses and what to try next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from deployguard.errors import ConfigurationError
from deployguard.executions import failures, hypotheses, separate
from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import Hypothesis, Standing
from deployguard.executions.nouns import Case, End
from deployguard.executions.separate import Separation

EXPLAINED = 5  # failures of one execution that are explained; the rest are counted


@dataclass(frozen=True)
class Conclusion:
    """What is concluded about one failure."""

    failure: Failure
    hypotheses: tuple[Hypothesis, ...]  # the one that got furthest first
    separations: tuple[Separation, ...]  # the best first

    @property
    def first(self) -> Hypothesis:
        """Return the hypothesis that got furthest."""
        return self.hypotheses[0]

    @property
    def standing(self) -> str:
        """Say how far that is: proven, likely or unknown."""
        known = (Standing.PROVEN, Standing.LIKELY)
        return self.first.standing.value if self.first.standing in known else "unknown"

    @property
    def experiments(self) -> tuple[str, ...]:
        """Return what would decide between those that are left, where nothing is proven."""
        if self.first.standing is Standing.PROVEN:
            return ()
        left = [each for each in self.hypotheses if each.standing is not Standing.EXCLUDED]
        return tuple(f"{each.theory.id}: {each.theory.experiment}" for each in left[:3])


@dataclass(frozen=True)
class Explanation:
    """Why an execution failed."""

    case: Case
    conclusions: tuple[Conclusion, ...]  # what ended the execution first
    more: int = 0  # failures that are not explained

    @property
    def exit_code(self) -> int:
        """Return 0 where the cause of what ended it is proven."""
        return 0 if self.conclusions and self.conclusions[0].standing == "proven" else 11

    @cached_property
    def aborted(self) -> int:
        """Return how many attempts ended only because others failed, or somebody stopped it."""
        return sum(step.attempt.end is End.ABORTED for step in self.case.steps)


def of(case: Case) -> Explanation:
    """Explain a case.

    Raises: ConfigurationError where nothing failed, so that there is nothing to explain.
    """
    found = failures.of(case)
    if not found and case.execution.status == "SUCCEEDED":
        raise ConfigurationError(
            f"nothing failed in {case.execution.arn}",
            cause="it succeeded, and so did each of its attempts that could be read",
            fix="name an execution that failed, or compare two with deployguard compare",
        )
    return Explanation(case, tuple(map(_concluded, found[:EXPLAINED])), len(found[EXPLAINED:]))


def _concluded(failure: Failure) -> Conclusion:
    return Conclusion(failure, hypotheses.all_of(failure), separate.all_of(failure.trials))
