"""What runtimes are asked and what they reply. A request goes to the worker as it is."""

from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format, KvCacheType
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.divergence.base_messages import CheckpointLogitsCall
from quantgate.pipelines.engines.residence import Residence


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
    held where the runtime has a choice. `residence` is None where all weights stay in memory.
    """

    path: Path
    format: Format | None
    kv_cache: KvCacheType = "f16"
    residence: Residence | None = None


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

    @property
    def threads(self) -> int:
        """How many threads the schedule allows."""
        return self.schedule.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTally:
    """How many answers were added, and how many an earlier call had left."""

    answered: int
    resumed: int


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
class ProbeReport:
    """What the look showed. Ids are -1 where the loadable names none.

    `chat_template` is the template stored with the artifact ("" where none is).
    `mismatched_texts` are ids of texts whose token ids differ from the base's; `compared_texts` counts all.
    `finite_logits` covers one decode of the longest text's beginning. `configuration` is config.json as
    the engine understood it, defaults included; {} where it does not say.
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

    @classmethod
    def unloaded(cls, reason: str) -> "ProbeReport":
        """Return the report of what does not load; the reason is shortened to its first line."""
        return cls(
            loads=False,
            finite_logits=False,
            compared_texts=0,
            mismatched_texts=(),
            beginning_of_sequence_id=-1,
            end_of_sequence_id=-1,
            vocabulary_size=0,
            chat_template="",
            detail=reason.splitlines()[0] if reason else "it did not load",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedProbeReport:
    """What a server showed of a file that the file's own runtime had loaded and found finite before.

    `loads` is False where the server ended, its output blames the file, and it does start with the base.
    `finite` is False where it gave a log probability that is no number, None where it gives none.
    `kernels` are lines of a started server's output that name what computes; a running one tells none.
    `startup_seconds` is how long it took until it could be asked, None where it ran already.
    """

    engine: str
    loads: bool
    finite: bool | None
    compared_texts: int
    mismatched_texts: tuple[str, ...]
    kernels: tuple[str, ...]
    detail: str
    startup_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceRequest:
    """Next-token distributions of a variant to hold against its base's in the same runtime.

    `sequences` is JSONL of `{"id": str, "token_ids": [int, ...]}`; every position but a sequence's last
    counts, and sequences are taken in order until `max_tokens` positions are compared (the last one is
    cut). The variant holds keys and values as its `kv_cache` says, the base in full precision.
    `base_logits` is a folder where the base's logits are, or will be, for the requests that come after; it
    has to be named by all that they depend on. With None they are not kept.
    """

    base: Loadable
    variant: Loadable
    sequences: Path
    max_tokens: int
    threads: int
    log: Path
    base_logits: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergenceRequest:
    """A base, as a runtime loads it, to hold against the checkpoint itself.

    `checkpoint_logits` says how the checkpoint's are computed, where nobody has yet, and at which positions
    of which passages both are compared. `context_tokens` is the longest sequence that the runtime will be
    asked, 0 where it does not matter: a server is not started anew for longer ones.
    """

    base: Loadable
    checkpoint_logits: CheckpointLogitsCall
    threads: int
    log: Path
    context_tokens: int = 0
