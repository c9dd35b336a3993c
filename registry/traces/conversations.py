"""Conversations from MLflow's traces: what chat models were asked and said, as rows in OpenAI's form."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.registry.traces.messages import conversation

_MODEL_SPANS = frozenset({"CHAT_MODEL", "LLM"})
_NEVER_CHAT = frozenset({"EMBEDDING", "RETRIEVER", "RERANKER", "PARSER", "TOOL", "EVALUATOR"})
"""Types of root spans whose input is a text, and no user's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step of a trace: its type as MLflow spells it, and what went in and came out, as JSON values."""

    type: str
    is_root: bool
    inputs: JsonValue
    outputs: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace. `session` is the conversation it belongs to, "" where it names none."""

    id: str
    session: str
    succeeded: bool
    spans: tuple[Span, ...]


class TraceSource(Protocol):
    """An MLflow whose traces can be read. Every method may raise ServiceError."""

    def traces(self, experiment: str) -> Iterator[Trace]:
        """Yield an experiment's traces, oldest first.

        Raises:
            InputError: there is no such experiment; it says which there are.
        """
        ...

    def trace_count(self, experiment: str) -> int:
        """Return how many traces the experiment holds, readable or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTally:
    """What became of the traces of an experiment.

    `rows` conversations were written. Left out were traces that `failed`, held `no_chat`, or could not be
    read (`unreadable`: MLflow has lost their spans), and conversations that a later one `continued`.
    """

    traces: int
    rows: int
    failed: int
    no_chat: int
    unreadable: int
    continued: int


def export_rows(source: TraceSource, experiment: str, path: Path) -> TraceTally:
    """Write an experiment's conversations to `path` as JSON lines (`id`, `messages`, `tools`).

    A row is what one call of a chat model saw and answered; where no span says that it is one, what went
    into the root span and came out. An agent's and a session's calls repeat all that was said before: only
    the longest is a row.

    Raises:
        InputError: there is no such experiment.
        ServiceError: MLflow did not answer or refused.
    """
    counts: Counter[str] = Counter()
    held = source.trace_count(experiment)
    groups: list[tuple[str, str]] = []
    earlier: set[tuple[str, str]] = set()
    whole = path.with_name(f"{path.name}.all")
    with whole.open("w", encoding="utf-8") as file:
        for trace in source.traces(experiment):
            counts["read"] += 1
            rows = _rows(trace) if trace.succeeded else []
            counts["failed"] += not trace.succeeded
            counts["no_chat"] += trace.succeeded and not rows
            for row in rows:
                group = trace.session or trace.id
                *before, last = _digests(row)
                earlier.update((group, digest) for digest in before)
                groups.append((group, last))
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    kept = _keep_last(whole, path, groups, earlier)
    return TraceTally(
        traces=max(held, counts["read"]),
        rows=kept,
        failed=counts["failed"],
        no_chat=counts["no_chat"],
        unreadable=max(0, held - counts["read"]),
        continued=len(groups) - kept,
    )


def _rows(trace: Trace) -> list[JsonObject]:
    """Return the conversations of a trace: of its model calls, else of its root."""
    called = [span for span in trace.spans if span.type in _MODEL_SPANS]
    rows = list(_conversations(trace.id, called))
    roots = [span for span in trace.spans if span.is_root and span.type not in _NEVER_CHAT]
    return rows or list(_conversations(trace.id, roots))


def _conversations(trace_id: str, spans: Sequence[Span]) -> Iterator[JsonObject]:
    for number, span in enumerate(spans):
        messages = conversation(span.inputs, span.outputs)
        if messages is not None:
            yield {"id": f"{trace_id}:{number}" if number else trace_id, **messages}


def _digests(row: JsonObject) -> list[str]:
    """Return the digests of every beginning of a row's conversation, that of the whole last."""
    running = sha256()
    digests = []
    messages = row["messages"]
    for message in messages if isinstance(messages, list) else []:
        running.update(json.dumps(message, sort_keys=True).encode())
        digests.append(running.hexdigest())
    return digests


def _keep_last(
    whole: Path, path: Path, groups: list[tuple[str, str]], earlier: set[tuple[str, str]]
) -> int:
    """Copy the rows that no other of their group continues, and return how many."""
    kept = 0
    with whole.open(encoding="utf-8") as rows, path.open("w", encoding="utf-8") as file:
        for line, key in zip(rows, groups, strict=True):
            if key not in earlier:
                file.write(line)
                kept += 1
    whole.unlink()
    return kept
