"""A calibration corpus: sealed, versioned sequences, independent of any tokenizer."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import Digest, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSequence:
    """One calibration sequence: a conversation, rendered later by the target's chat template, or raw text.

    `tools` are function definitions in OpenAI's form, offered through that template. `source`, `language`
    (ISO 639-1, "" where unknown) and `domain` say where it comes from: they are no part of its content.
    """

    id: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    tools: tuple[JsonObject, ...] = ()
    source: str = ""
    language: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A sealed corpus. `label` is what people and the registry call it: `name@version`."""

    name: str
    version: int
    digest: Digest
    sequence_count: int
    folder: Path

    @property
    def label(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"
