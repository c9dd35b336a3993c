"""The seam to engines that answer items."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Format, KvCacheType, Numerics, Recipe
from quantgate.pipelines.domain.run import RuntimeIdentity, Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import Digest, JsonObject
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.base_messages import (
    CheckpointLogitsCall,
    PositionDivergences,
)
from quantgate.pipelines.process.calls import OnProgress, RunWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One rendered and tokenized prompt; all runtimes see these very ids.

    `item_id` is unique in a run; further samples of an item have ids of their own (`<item>#<number>`).
    `max_tokens` and `temperature` are the request's where they are None. `stop` are texts that end the
    answer and are not part of it; `schema` is the JSON schema (as JSON text) that binds it.
    `text` and `chat` (`{"messages": [...], "tools": [...]}`) are what the ids were made from, for servers
    that take no ids. Without `chat` the text is plain: it is completed, and the tokenizer itself puts around
    it what the ids begin and end with.
    """

    item_id: str
    token_ids: tuple[int, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    schema: str | None = None
    text: str = ""
    chat: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loadable:
    """What a runtime is to load: a GGUF file or a checkpoint folder.

    `format` is None for a full-precision safetensors folder; `kv_cache` is how keys and values are to be
    held where the runtime has a choice.
    """

    path: Path
    format: Format | None
    kv_cache: KvCacheType = "f16"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """Prompts to be answered. `prompts` is JSONL of `Prompt`, already in schedule order.

    `answers` is JSONL of `Answer`, appended to as items finish: an interrupted run resumes by item.
    `stop_token_ids` end an answer and are not part of its text or its token ids. `context_tokens` is the
    longest prompt of the whole suite with its answer, whatever part of it is asked here; None finds it in
    `prompts`.
    """

    loadable: Loadable
    prompts: Path
    answers: Path
    decode: DecodeSettings
    stop_token_ids: tuple[int, ...]
    schedule: Schedule
    log: Path
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """A look at a loadable before any item is asked. `context_tokens` as in `AnswerRequest`.

    `texts` is JSONL of `{"id": str, "text": str, "token_ids": [int, ...]}`: rendered text and the ids the
    base's Hugging Face tokenizer gives it (special tokens written in the text are parsed, none are added).
    """

    loadable: Loadable
    texts: Path
    threads: int
    log: Path
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedLook:
    """What a server showed of a file that the file's own runtime had loaded and found finite before.

    `loads` is False where the server ended, its output blames the file, and it does start with the base.
    `finite` is None where it tells no log probabilities. `kernels` are lines of its output that name what
    computes; a running server tells none.
    """

    engine: str
    loads: bool
    finite: bool | None
    compared_texts: int
    mismatched_texts: tuple[str, ...]
    kernels: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What the look showed. Ids are -1 where the loadable names none.

    `chat_template` is the template stored with the artifact ("" where none is).
    `mismatched_texts` are ids of texts whose token ids differ from the base's; `compared_texts` counts all.
    `finite_logits` covers one decode of the longest text. `configuration` is config.json as the engine
    understood it, defaults included; {} where it does not say.
    """

    loads: bool
    finite_logits: bool
    compared_texts: int
    mismatched_texts: tuple[str, ...]
    beginning_of_sequence_id: int
    end_of_sequence_id: int
    vocabulary_size: int
    chat_template: str
    detail: str
    configuration: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceRequest:
    """Next-token distributions of a variant to hold against its base's in the same runtime.

    `sequences` is JSONL of `{"id": str, "token_ids": [int, ...]}`, and the base's logits are kept in
    `base_logits` from the first request on; see `DivergenceCall`.
    """

    base: Loadable
    variant: Loadable
    sequences: Path
    max_tokens: int
    threads: int
    log: Path
    base_logits: Path | None = None


class ServerAccess(Protocol):
    """What only a runtime that answers through a server has."""

    def refused(self, stops: Sequence[str], schema: str | None) -> str | None:
        """Return what of a request with these stop texts and schema this engine refuses; None for nothing."""
        ...

    def compares(self, base: Loadable) -> bool:
        """Say whether `base_divergence` needs the checkpoint's own logits, as far as can be said before."""
        ...

    def look(
        self,
        request: ProbeRequest,
        control: Loadable,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> ServedLook:
        """Look at a file through the server that will answer.

        `control` is the base, which is started before a file is held not to load; for the base it is itself.

        Raises:
            ServiceError, WorkerError: for every trouble that is not the file's fault.
        """
        ...

    def kept(self, loadable: Loadable) -> AbstractContextManager[None]:
        """Keep what is started for a loadable until the block ends; blocks may be nested."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergenceRequest:
    """A base, as a runtime loads it, to hold against the checkpoint itself.

    `own_logits` says how the checkpoint's are computed, where nobody has yet, and at which positions of
    which passages both are compared. `context_tokens` is the longest sequence that the runtime will be asked,
    0 where it does not matter: a server is not started anew for longer ones.
    """

    base: Loadable
    own_logits: CheckpointLogitsCall
    threads: int
    log: Path
    context_tokens: int = 0


class Runtime(Protocol):
    """Loads checkpoints of some formats and answers prompts, in child processes."""

    def missing(self) -> str | None:
        """Return None when the engine is installed, else one sentence: what is missing and how to get it."""
        ...

    def constrains(self) -> bool:
        """Say whether a prompt's JSON schema binds its answer here; prompts with one are refused else."""
        ...

    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer, without importing it.

        The subject is a recipe's variants, or a base: its own numerics where it is low-bit, else None.
        """
        ...

    def source_digest(self) -> Digest:
        """Return the digest of this runtime's own worker code, which may influence tokens."""
        ...

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the base in a form this runtime loads (converted once into `scratch`).

        Raises:
            CheckpointError: where it is low-bit and this runtime would have to expand it first.
        """
        ...

    def schedule(self, threads: int) -> Schedule:
        """Return this runtime's default schedule."""
        ...

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once. A loadable that does not load is a report, not an error."""
        ...

    def server_access(self) -> "ServerAccess | None":
        """Return what a server that answers offers beside answers, None where none does."""
        ...

    def contents(self, loadable: Loadable) -> Contents:
        """Return what the files say of themselves, without loading them.

        Raises:
            CheckpointError: where a file is damaged or cut off.
        """
        ...

    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        """Return the digest of what a base's logits depend on beside base, tokens and threads.

        Engine, versions, device and code of the runtime that measures: a server's native one.
        """
        ...

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Return how far a variant drifts from its base; infinitely where its logits are not finite.

        Raises:
            CheckpointError: where one of them does not load, or their vocabularies differ.
            InputError, ToolchainError, WorkerError: with the log's path.
        """
        ...

    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Return how far the base is from the checkpoint itself; None where nothing tells probabilities.

        Raises:
            CheckpointError: where one of them does not load.
            InputError, ToolchainError, ServiceError, WorkerError: with the log's path.
        """
        ...

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Answer every prompt that `request.answers` does not hold yet.

        Raises:
            ToolchainError, WorkerError: with the log's path.
        """
        ...


def kept(runtime: Runtime, loadable: Loadable) -> AbstractContextManager[None]:
    """Keep what a runtime starts for a loadable until the block ends; most start nothing that stays."""
    access = runtime.server_access()
    return access.kept(loadable) if access else nullcontext()
