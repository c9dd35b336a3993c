"""What is refused of a suite's prompts before anything is built: all of it is rendered while planning."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import takes_template_variables
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts
from quantgate.pipelines.evaluation.loops.rehearsal import refuse_unplayable
from quantgate.pipelines.evaluation.prompts import SuitePrompts, suite_prompts
from quantgate.pipelines.evaluation.transformers_reading import (
    ReadingCall,
    ReadText,
    TransformersReading,
    may_read_otherwise,
)
from quantgate.pipelines.files.records import (
    read_record,
    record_digest,
    to_json,
    write_record,
    write_text,
)
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import RunWorker, WorkerCall, ignore_progress

_WORKER = "quantgate.pipelines.evaluation.workers.transformers_reading"
_EMBEDDINGS = (
    "embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "tok_embeddings.weight",
    ".embeddings.weight",
)  # fmt: skip
_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningInputs:
    """What a build is planned from: a suite, the base and the servers that are asked it, and this machine."""

    suite: Suite
    checkpoint: Checkpoint
    servers: Sequence[Server]
    settings: Settings
    run_worker: RunWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSuite:
    """How a checkpoint reads conversations, and a suite's prompts in its words."""

    chat: ChatFormat
    prompts: SuitePrompts


_LAST: dict[Digest, RenderedSuite] = {}
"""The suite that was rendered last: planning renders what the build then asks."""


def rendered_suite(suite: Suite, checkpoint: Checkpoint) -> RenderedSuite:
    """Render and tokenize every item; the suite that was rendered last is remembered.

    Raises:
        InputError: naming items on which the chat template fails or that no context holds.
        CheckpointError: where tokenizer or templates cannot be read.
    """
    content = [record_digest(suite), checkpoint.digests.combined, str(checkpoint.folder)]
    key = digest_of([*content, checkpoint.context_length_tokens])
    rendered = _LAST.get(key)
    if rendered is None:
        chat = ChatFormat.of(checkpoint.folder, suite.template_variables)
        prompts = suite_prompts(suite, chat, checkpoint.context_length_tokens)
        rendered = RenderedSuite(chat=chat, prompts=prompts)
        _LAST.clear()
        _LAST[key] = rendered
    return rendered


def preflight_prompts(inputs: PlanningInputs, say: Callable[[str], None]) -> None:
    """Render and tokenize every item; `say` hears what of the checkpoint's files was left aside.

    Raises:
        InputError: naming items on which the chat template fails or that no context holds, loops that could
            never be played to their end, or a server that cannot be handed template variables.
        CheckpointError: where tokenizer or templates cannot be read, or a prompt holds a token that the
            weights do not have.
    """
    suite, checkpoint = inputs.suite, inputs.checkpoint
    _refuse_variables(suite, inputs.servers)
    rendered = rendered_suite(suite, checkpoint)
    chat, prompts = rendered.chat, rendered.prompts
    refuse_unplayable(
        LoopPrompts(suite=suite, chat=chat, context_length_tokens=checkpoint.context_length_tokens)
    )
    _refuse_unknown_ids(checkpoint, prompts, chat)
    notes: list[str | None] = list(chat.notes)
    if may_read_otherwise(checkpoint.folder):
        notes.append(_reading(inputs, prompts).note)
    for note in filter(None, notes):
        say(f"{checkpoint.name}: {note}")


def _refuse_variables(suite: Suite, servers: Sequence[Server]) -> None:
    given = [item for item in suite.items if not item.raw and suite.variables_of(item)]
    for server in servers:
        if given and not takes_template_variables(server):
            names = ", ".join(suite.variables_of(given[0]))
            raise InputError(
                f"{server.engine} cannot be handed template variables ({names}) with chat messages",
                where=f"server {server.name}",
                next_step="let it be sent `prompts: ids` or `prompts: text`, which we render, or take "
                "`template_variables` out",
            )


def _refuse_unknown_ids(checkpoint: Checkpoint, prompts: SuitePrompts, chat: ChatFormat) -> None:
    """A token that tokenizer files name and the weights have no row for ends engines, each its own way."""
    embeddings = (t for t in checkpoint.tensors if t.name.endswith(_EMBEDDINGS))
    rows = [tensor.shape[0] for tensor in embeddings]
    for prompt in prompts.prompts if rows else ():
        if max(prompt.token_ids, default=0) >= max(rows):
            token = max(prompt.token_ids)
            raise CheckpointError(
                f"item '{prompt.item_id}' holds token {token} ({chat.tokenizer.id_to_token(token)!r}), and "
                f"the weights have {max(rows)} rows of tokens",
                where=checkpoint.source,
                next_step="take the weights and the tokenizer's files from one place, or the token out of "
                "tokenizer_config.json, special_tokens_map.json and added_tokens.json",
            )


def _reading(inputs: PlanningInputs, prompts: SuitePrompts) -> TransformersReading:
    """Return how transformers reads the prompts, asked once for each content."""
    checkpoint, store = inputs.checkpoint, inputs.settings.store
    sources = source_digest(_WORKER)
    key = digest_of([checkpoint.digests.combined, prompts.digest, sources])
    path = store.root / "prompt-checks" / f"{checkpoint.name}--{key[:_KEY_LENGTH]}.json"
    try:
        return read_record(TransformersReading, path)
    except InputError:  # there is none yet, or it is damaged
        pass
    with tempfile.TemporaryDirectory(prefix="quantgate-") as folder:
        texts = Path(folder) / "texts.jsonl"
        write_text(texts, "".join(f"{json.dumps(to_json(text))}\n" for text in _texts(prompts)))
        call = WorkerCall(
            module=_WORKER,
            request=ReadingCall(folder=checkpoint.folder, texts=texts),
            log=store.logs / f"prompts-{checkpoint.name}--{key[:_KEY_LENGTH]}.log",
            threads=1,
        )
        reading = inputs.run_worker(call, TransformersReading, ignore_progress).value
    write_record(path, reading)
    return reading


def _texts(prompts: SuitePrompts) -> list[ReadText]:
    """Every text once: samples of an item share theirs."""
    texts = {
        (text, prompt.chat is None): ReadText(
            id=prompt.item_id,
            text=text,
            token_ids=prompt.token_ids,
            begins=prompt.chat is None,
        )
        for prompt, text in reversed(list(zip(prompts.prompts, prompts.texts, strict=True)))
    }
    return list(reversed(texts.values()))
