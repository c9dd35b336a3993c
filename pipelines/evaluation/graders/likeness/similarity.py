"""Grades a text by how near its embedding is to a reference text's; a child process embeds them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, folder_digest
from quantgate.pipelines.evaluation.graders.reading.expectations import accepted_texts, unusable
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, scored, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten, storable
from quantgate.pipelines.files.hashing import file_digest

_READ = ("config.json", "tokenizer.json", "*.safetensors", "*.safetensors.index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityGrader:
    """Compares an answer with a reference text by the cosine of their embeddings.

    An embedding is the mean of the last hidden states, by the transformers checkpoint in the folder
    `model` (any encoder or decoder), over at most `max_tokens` tokens. `expected` is a reference text, or
    a list of them of which the nearest counts. From `threshold` on an answer is right. Which cosine means
    "the same" differs from model to model: take it from pairs that people judged. A cosine sees no small
    words: `not` hardly moves it, so that this never stands alone where facts matter.
    """

    model: str
    threshold: float = 0.8
    max_tokens: int = 512

    @property
    def name(self) -> str:
        """Name and version."""
        return "similarity@2"

    @property
    def worker(self) -> str:
        """The module that embeds answers and references."""
        return "quantgate.pipelines.evaluation.workers.similarity_observe"

    @property
    def options(self) -> JsonObject:
        """Which model, by what is in its folder."""
        folder = Path(self.model)
        return {
            "model": str(folder.absolute()),
            "model_digest": _digest(folder) if _missing(folder) is None else "",
            "max_tokens": self.max_tokens,
        }

    def problem(self, item: Item) -> str | None:
        """Say why no answer can be compared, or None where there are a model and a reference text."""
        texts = accepted_texts(item.expected)
        return texts.reason if isinstance(texts, Refused) else _missing(Path(self.model))

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return the texts to embed."""
        texts = accepted_texts(item.expected)
        references = [] if isinstance(texts, Refused) else [storable(text) for text in texts]
        return {"answer": storable(without_end_tokens(answer_text)), "references": list(references)}

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Grade by the largest cosine; the score is 0 where it is negative."""
        texts = accepted_texts(item.expected)
        canonical = without_end_tokens(answer_text)
        if isinstance(texts, Refused):
            return wrong(self.name, canonical=canonical, reason=unusable(texts.reason))
        seen = observation.get("cosines") if isinstance(observation, dict) else None
        listed = seen if isinstance(seen, list | tuple) else ()
        cosines = [
            float(value) for value in listed if isinstance(value, int | float) and value == value
        ]
        if not cosines:
            return wrong(self.name, canonical=canonical, reason="the answer was not embedded")
        cosine = max(cosines)
        correct = bool(canonical) and cosine >= self.threshold
        side = "at least" if correct else "below"
        reason = f"cosine {cosine:.3f}, {side} {self.threshold:g}" if canonical else "no answer"
        grade = scored(
            self.name,
            score=cosine if canonical else 0.0,
            correct=correct,
            canonical=canonical,
            reason=reason,
        )
        return in_way(grade, "unlike the reference")


def _missing(folder: Path) -> str | None:
    for pattern in _READ[:3]:
        if not any(folder.glob(pattern)):
            return f"folder {shorten(str(folder))!r} of the embedding model has no {pattern}"
    return None


def _digest(folder: Path) -> str:
    files = sorted({path for pattern in _READ for path in folder.glob(pattern)})
    stats = [(path, path.stat()) for path in files]
    return folder_digest(
        (path.name, _file_digest(path, stat.st_size, stat.st_mtime_ns)) for path, stat in stats
    )


@lru_cache(maxsize=64)
def _file_digest(path: Path, _size_bytes: int, _changed_ns: int) -> Digest:
    """Kept while size and time of change are the same."""
    return file_digest(path)
