"""What a model writes before it answers: how it is marked, and an answer taken apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtTag:
    """Texts between which a model thinks; case does not count."""

    opens: str
    closes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoughts:
    """Which marks of thoughts a suite's answers may have.

    `families` are those of the known model families, `tags` further ones. Without both nothing is a thought.
    """

    families: bool = True
    tags: tuple[ThoughtTag, ...] = ()


FAMILIES = Thoughts()
"""What is a thought where a suite says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """An answer taken apart: `text` is what it says, `thoughts` what it thought, without their marks.

    Where the last thought never ended it is not `finished`, and says nothing. `thought_tokens` is None
    where nobody counted.
    """

    text: str
    thoughts: str = ""
    finished: bool = True
    thought_tokens: int | None = None
