"""What audits look at: every text of suite and corpus, and tokens to measure divergence on. Sealed once."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from quantgate.calibration.drawing.rendering import rendered_ids, rendered_text, rendering_digest
from quantgate.calibration.shelf.sealing import read_sequences
from quantgate.pipelines.audit.bench.rulers import DivergenceTokens
from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.rehearsal import rehearsed_texts
from quantgate.pipelines.evaluation.runs import SuiteRuns
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest

_SUITE_TOKENS = DIVERGENCE_TOKENS // 2
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextsRecord:
    count: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _TokensRecord:
    sequences: int
    positions: int


def _code() -> Digest:
    return source_digest("quantgate.pipelines.evaluation.loops.rehearsal", alone=(__name__,))


@dataclass(frozen=True, kw_only=True)
class AuditTexts:
    """The texts of a suite as a base is asked it, and of a corpus; `folder` is where they are sealed."""

    chat: ChatFormat
    suite_runs: SuiteRuns
    corpus: Corpus | None
    folder: Path

    @cached_property
    def parity_digest(self) -> Digest:
        """Identity of all texts with the base's own token ids."""
        corpus = self.corpus.digest if self.corpus else ""
        rendering = rendering_digest(self.chat.variables)
        runs = self.suite_runs
        rehearsed = "" if runs.loops is None else runs.suite.digest  # texts that items' scripts say
        return digest_of([runs.prompts.digest, rehearsed, corpus, rendering, _code()])

    def parity(self) -> Path:
        """Return every text of suite and corpus, rendered, with the base's own token ids."""
        folder = self.folder / f"parity-{self.parity_digest[:16]}"
        produce_once(folder, _TextsRecord, self._write_parity)
        return folder / "texts.jsonl"

    def _write_parity(self, staging: Path) -> _TextsRecord:
        prompts = self.suite_runs.prompts
        texts = [
            (prompt.item_id, text)
            for prompt, text in zip(prompts.prompts, prompts.texts, strict=True)
        ]
        if self.suite_runs.loops is not None:
            texts += rehearsed_texts(self.suite_runs.loops.prompts)
        if self.corpus is not None:
            texts += [(s.id, rendered_text(s, self.chat)) for s in read_sequences(self.corpus)]
        lines = [
            json.dumps({"id": i, "text": t, "token_ids": list(self.chat.token_ids(t))}) + "\n"
            for i, t in texts
        ]
        write_text(staging / "texts.jsonl", "".join(lines))
        return _TextsRecord(count=len(texts), digest=self.parity_digest)

    def divergence_tokens(self, reference: Run) -> DivergenceTokens:
        """Return the tokens that divergence is measured on: what the base said, and what the corpus says.

        One half are prompts, drawn from all over the suite, each followed by the reference run's own answer:
        there a variant answers next. The other half is the corpus, where there is one. The digest is that of
        the tokens alone: where two runtimes' references answered alike, what is measured on them is shared.
        """
        corpus = self.corpus
        rendering = rendering_digest(self.chat.variables)
        parts: list[JsonValue] = [reference.key, corpus.digest if corpus else "", DIVERGENCE_TOKENS]
        folder = self.folder / f"divergence-{digest_of([*parts, rendering, _code()])[:16]}"

        def produce(staging: Path) -> _TokensRecord:
            sequences = list(
                _until(_SUITE_TOKENS if corpus else DIVERGENCE_TOKENS, self._answered(reference))
            )
            if corpus is not None:
                left = DIVERGENCE_TOKENS - _positions(sequences)
                texts = ((s.id, rendered_ids(s, self.chat)) for s in read_sequences(corpus))
                sequences += _until(left, texts)
            lines = [json.dumps({"id": i, "token_ids": list(ids)}) + "\n" for i, ids in sequences]
            write_text(staging / "tokens.jsonl", "".join(lines))
            return _TokensRecord(sequences=len(sequences), positions=_positions(sequences))

        sealed = produce_once(folder, _TokensRecord, produce)
        return DivergenceTokens(file=folder / "tokens.jsonl", digest=sealed.files_digest)

    def _answered(self, reference: Run) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield prompts with their answers, and what ends these, in an order that mixes the slices."""
        raw = (answer for graded in reference.answers for answer in graded.raw_answers)
        answers = {answer.item_id: answer for answer in raw}
        prompts = self.suite_runs.prompts.prompts
        for prompt in random.Random(_SEED).sample(prompts, len(prompts)):
            answer = answers[prompt.item_id]
            end = self.suite_runs.stop_token_ids[:1] if answer.finish_reason == "stop" else ()
            yield prompt.item_id, (*prompt.token_ids, *answer.token_ids, *end)


def _until(
    limit: int, sequences: Iterable[tuple[str, tuple[int, ...]]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield sequences until they have `limit` positions that have a successor; the last one is cut."""
    for name, ids in sequences:
        if limit <= 0:
            return
        if len(ids) > 1:
            yield name, ids[: limit + 1]
            limit -= len(ids) - 1


def _positions(sequences: Iterable[tuple[str, tuple[int, ...]]]) -> int:
    return sum(len(ids) - 1 for _, ids in sequences)
