"""Which marks of thoughts a suite's answers may have."""

from typing import Self

from pydantic import Field, model_validator

from quantgate.pipelines.domain.suites.thoughts import Thoughts, ThoughtTag
from quantgate.pipelines.specs.loading import Spec


class ThoughtTagFile(Spec):
    """Texts between which a model thinks: `{opens: "<plan>", closes: "</plan>"}`."""

    opens: str = Field(min_length=1)
    """What stands before a thought."""
    closes: str = Field(min_length=1)
    """What stands after it."""

    @model_validator(mode="after")
    def _ends_differ(self) -> Self:
        if not self.opens.strip() or not self.closes.strip():
            raise ValueError("a mark of thoughts is blank")
        if self.opens.casefold() == self.closes.casefold():
            raise ValueError(f"thoughts would open and close with the same '{self.opens}'")
        return self


class ThoughtsFile(Spec):
    """What stands before an answer and is no part of it."""

    families: bool = True
    """Whether the marks of the known model families are thoughts (`<think>`, `[THINK]`, …)."""
    tags: tuple[ThoughtTagFile, ...] = ()
    """Further marks."""

    def thoughts(self) -> Thoughts:
        """Return the domain object."""
        tags = tuple(ThoughtTag(opens=tag.opens, closes=tag.closes) for tag in self.tags)
        return Thoughts(families=self.families, tags=tags)
