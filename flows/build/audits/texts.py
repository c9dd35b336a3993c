"""What audits look at: every text of suite and corpus, and tokens to measure divergence on. Sealed once."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.drawing.rendering import rendered_ids, rendered_text, rendering_digest
from quantgate.calibration.shelf.assemble import read_sequences
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.evaluation.loops.rehearsal import rehearsed_texts
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


def parity_texts(site: BuildSite) -> tuple[Path, Digest]:
    """Return every text of suite and corpus, rendered, with the base's own token ids."""
    corpus = site.plan.corpus
    rendering = rendering_digest(site.chat.variables)
    digest = digest_of(
        [site.examination.prompts.digest, corpus.digest if corpus else "", rendering, _code()]
    )
    folder = site.scratch / f"parity-{digest[:16]}"

    def produce(staging: Path) -> _TextsRecord:
        prompts = site.examination.prompts
        texts = [
            (prompt.item_id, text)
            for prompt, text in zip(prompts.prompts, prompts.texts, strict=True)
        ]
        if site.examination.loops is not None:
            texts += rehearsed_texts(site.examination.loops.prompts)
        if corpus is not None:
            texts += [(s.id, rendered_text(s, site.chat)) for s in read_sequences(corpus)]
        lines = [
            json.dumps({"id": i, "text": t, "token_ids": list(site.chat.token_ids(t))}) + "\n"
            for i, t in texts
        ]
        write_text(staging / "texts.jsonl", "".join(lines))
        return _TextsRecord(count=len(texts), digest=digest)

    produce_once(folder, _TextsRecord, produce)
    return folder / "texts.jsonl", digest


def divergence_tokens(site: BuildSite, reference: Run) -> tuple[Path, Digest]:
    """Return the tokens that divergence is measured on: what the base said, and what the corpus says.

    One half are prompts, drawn from all over the suite, each followed by the reference run's own answer:
    there a variant answers next. The other half is the corpus, where there is one. The digest is that of the
    tokens alone: where two runtimes' references answered alike, what is measured on them is shared.
    """
    corpus = site.plan.corpus
    rendering = rendering_digest(site.chat.variables)
    parts: list[JsonValue] = [reference.key, corpus.digest if corpus else "", DIVERGENCE_TOKENS]
    digest = digest_of([*parts, rendering, _code()])
    folder = site.scratch / f"divergence-{digest[:16]}"

    def produce(staging: Path) -> _TokensRecord:
        room = _SUITE_TOKENS if corpus else DIVERGENCE_TOKENS
        sequences = list(_until(room, _answered(site, reference)))
        if corpus is not None:
            left = DIVERGENCE_TOKENS - _positions(sequences)
            texts = ((s.id, rendered_ids(s, site.chat)) for s in read_sequences(corpus))
            sequences += _until(left, texts)
        lines = [json.dumps({"id": i, "token_ids": list(ids)}) + "\n" for i, ids in sequences]
        write_text(staging / "tokens.jsonl", "".join(lines))
        return _TokensRecord(sequences=len(sequences), positions=_positions(sequences))

    sealed = produce_once(folder, _TokensRecord, produce)
    return folder / "tokens.jsonl", sealed.files_digest


def _answered(site: BuildSite, reference: Run) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield prompts with their answers, and what ends these, in an order that mixes the slices."""
    raw = (answer for graded in reference.answers for answer in graded.raw_answers)
    answers = {answer.item_id: answer for answer in raw}
    prompts = site.examination.prompts.prompts
    for prompt in random.Random(_SEED).sample(prompts, len(prompts)):
        answer = answers[prompt.item_id]
        end = site.examination.stop_token_ids[:1] if answer.finish_reason == "stop" else ()
        yield prompt.item_id, (*prompt.token_ids, *answer.token_ids, *end)


def _until(
    room: int, sequences: Iterable[tuple[str, tuple[int, ...]]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield sequences until they have `room` positions that have a successor; the last one is cut."""
    for name, ids in sequences:
        if room <= 0:
            return
        if len(ids) > 1:
            yield name, ids[: room + 1]
            room -= len(ids) - 1


def _positions(sequences: Iterable[tuple[str, tuple[int, ...]]]) -> int:
    return sum(len(ids) - 1 for _, ids in sequences)
