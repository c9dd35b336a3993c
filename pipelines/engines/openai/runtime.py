"""Runtime: any server that speaks OpenAI's interface, started for each run or running already.

A server tells texts and token ids, not logits. So the file's native runtime (llama.cpp for GGUF,
transformers for folders) still makes the base, reads what files say of themselves, looks at logits and
measures divergence; the server has to load the file, read texts alike and answer, and it alone answers
the suite. One that is started serves the audit and the run of a file.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.recipe import Format, Numerics, Recipe
from quantgate.pipelines.domain.run import Kernels, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.checkpoint_logits import compute_logits
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.base_messages import PositionDivergences
from quantgate.pipelines.engines.openai.dialects import dialect_of
from quantgate.pipelines.engines.openai.likeliest import asked_positions, asking_likeliest
from quantgate.pipelines.engines.openai.messages import Request, Served, Serving
from quantgate.pipelines.engines.openai.started_servers import StartedServers
from quantgate.pipelines.engines.prompt_lengths import longest_sequence
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    AnswerTally,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
    ServedProbeReport,
)
from quantgate.pipelines.engines.runtime import Runtime, ServerAccess
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKERS = "quantgate.pipelines.engines.openai.workers"
_SOURCES = (
    f"{_WORKERS}.answer",
    f"{_WORKERS}.base_divergence",
    f"{_WORKERS}.probe",
    "quantgate.pipelines.engines.openai.started_servers",
    "quantgate.pipelines.engines.prompt_lengths",
)
_SETTINGS_DIGITS = 8
_PROBE_CONTEXT_TOKENS = 256


@dataclass(frozen=True, slots=True)
class OpenAiServerRuntime(Runtime, ServerAccess):
    """Answers prompts through a server; `native` does what takes logits."""

    server: Server
    native: Runtime
    started: StartedServers = field(default_factory=StartedServers, compare=False, repr=False)

    @override
    def missing(self) -> str | None:
        if missing := self.native.missing():
            return missing
        server = self.server
        if importlib.util.find_spec("httpx") is None:
            return "httpx is not installed: run `make setup`"
        if server.command and shutil.which(server.command[0]) is None:
            return (
                f"the command of server {server.name} is not found: {server.command[0]} "
                "(install it, or write its path)"
            )
        if server.api_key_env and not os.environ.get(server.api_key_env):
            return f"server {server.name} needs the environment variable {server.api_key_env}"
        return self._cannot_be_asked()

    def _cannot_be_asked(self) -> str | None:
        """What of the build file this engine has no way to do."""
        server, dialect = self.server, dialect_of(self.server.engine)
        if server.prompts not in dialect.prompt_forms:
            return (
                f"{server.engine} takes no prompts as {server.prompts}: give server {server.name} "
                f"`prompts: {dialect.prompt_forms[-1]}`"
            )
        if dialect.most_requests is not None and server.concurrency > dialect.most_requests:
            return (
                f"{server.engine} answers {dialect.most_requests} request at a time: give server "
                f"{server.name} `concurrency: {dialect.most_requests}`"
            )
        for option, why in dialect.refused_options.items():
            if option in server.command:
                return f"leave {option} out of server {server.name}'s command: {server.engine} then {why}"
        return None

    @override
    def constrains(self) -> bool:
        """Say whether the engine has a way to bind answers to JSON schemas in this form of prompts."""
        dialect = dialect_of(self.server.engine)
        binding = dialect.chat_schema if self.server.prompts == "chat" else dialect.schema
        return binding is not None

    @override
    def server_access(self) -> ServerAccess:
        return self

    @override
    def refused(self, stops: Sequence[str], schema: str | None) -> str | None:
        return dialect_of(self.server.engine).refuses.of(stops, schema)

    @override
    def compares(self, base: Loadable) -> bool:
        """Say whether the likeliest tokens are named, or the base is compared natively."""
        return self._names_likeliest() or base.format is Format.GGUF

    def _names_likeliest(self) -> bool:
        return asking_likeliest(self.server.engine) is not None and self.server.prompts == "ids"

    @override
    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer, as the build file and the server itself tell it.

        The version ends with a digest of the command, the form of prompts and the added fields: two
        settings of one engine are two contracts.

        Raises:
            InputError: where its version was never found out.
        """
        server = self.server
        if server.version is None:
            raise InputError(
                "its version is unknown",
                where=f"server {server.name}",
                next_step="state it in the build file: `version:`",
            )
        kv_cache = subject.kv_cache if isinstance(subject, Recipe) else "f16"
        return RuntimeIdentity(
            engine=server.engine,
            version=f"{server.version}, settings {server.settings_digest[:_SETTINGS_DIGITS]}",
            device=server.device,
            kv_cache=kv_cache if server.sets_kv_cache else server.kv_cache,
            compute_dtype=server.compute_dtype,
            kernels=self._kernels(subject),
        )

    @override
    def source_digest(self) -> Digest:
        """Return the digest of the code that asks and reads answers, the settings, and the native code."""
        return digest_of(
            [source_digest(*_SOURCES), self.server.settings_digest, self.native.source_digest()]
        )

    @override
    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the base in the form of the native runtime: an F16 GGUF, or its own folder."""
        return self.native.reference(checkpoint, scratch, run_worker, on_progress)

    @override
    def refusal(self, checkpoint: Checkpoint) -> str | None:
        """Return what its native runtime says, which computes what a server cannot tell."""
        return self.native.refusal(checkpoint)

    @override
    def schedule(self, threads: int) -> Schedule:
        """Return as many slots as requests are under way at once."""
        return Schedule(slots=self.server.concurrency, threads=threads)

    @override
    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Look natively: what the files' own runtime finds is never overwritten by what a server does."""
        return self.native.probe(request, run_worker, on_progress)

    @override
    def probe_served(
        self,
        request: ProbeRequest,
        control: Loadable,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> ServedProbeReport:
        """Ask the server; one that ends over the file twice is a report too."""
        report = self._probed(request, run_worker, on_progress)
        if report.loads:
            return report
        again = self._probed(replace(request, loadable=control), run_worker, on_progress)
        if control == request.loadable:
            return again
        if not again.loads:
            raise WorkerError(
                f"{self.server.engine} starts neither with this file nor with its base: {again.detail}",
                where=f"server {self.server.name}",
                next_step="correct its command or this machine; then run the same command again",
                log=_server_log(request.log),
            )
        return self._probed(request, run_worker, on_progress)

    def _probed(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ServedProbeReport:
        context_tokens = request.context_tokens or _PROBE_CONTEXT_TOKENS
        with self.served(request, request.loadable, context_tokens) as served:
            call = served.call(f"{_WORKERS}.probe")
            return run_worker(call, ServedProbeReport, on_progress).value

    @override
    def kept(self, loadable: Loadable) -> AbstractContextManager[None]:
        return self.started.kept(loadable.path)

    @override
    def contents(self, loadable: Loadable) -> Contents:
        return self.native.contents(loadable)

    @override
    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        """Return the native runtime's, which measures."""
        return self.native.divergence_digest(numerics)

    @override
    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Return the divergence that the native runtime measures."""
        return self.native.divergence(request, run_worker, on_progress)

    @override
    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Compare what the server says is likeliest, where it says it by token id; else a GGUF natively.

        Passages are asked as far as the longest sequence of the suite goes, by the server that answers it.
        """
        served = None
        if self._names_likeliest():
            served = self._served_divergence(request, run_worker, on_progress)
        if served is None and request.base.format is Format.GGUF:
            return self.native.base_divergence(request, run_worker, on_progress)
        return served

    def _served_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """None where no position fits the context, or the server names no tokens after all."""
        if not any(asked_positions(request.checkpoint_logits.passages, request.context_tokens)):
            return None
        compute_logits(request, run_worker, on_progress)
        with self.served(request, request.base, request.context_tokens) as served:
            call = served.call(f"{_WORKERS}.base_divergence")
            divergences = run_worker(call, PositionDivergences, on_progress).value
        return divergences if divergences.kl else None

    @override
    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        context_tokens = request.context_tokens or longest_sequence(
            request.prompts, request.decode.max_tokens
        )
        with self.served(request, request.loadable, context_tokens) as served:
            run_worker(served.call(f"{_WORKERS}.answer"), AnswerTally, on_progress)

    @contextmanager
    def served(
        self, request: Request, loadable: Loadable, context_tokens: int
    ) -> Iterator[Served[Request]]:
        """Start the server, unless one runs somewhere or is kept for this file."""
        serving = Serving(
            server=self.server,
            loadable=loadable,
            threads=request.threads,
            context_tokens=context_tokens,
            server_log=_server_log(request.log),
        )
        if self.server.url:
            yield Served(serving=serving, request=request)
            return
        with self.started.serving(serving) as running:
            yield Served(serving=replace(serving, running=running), request=request)

    def _kernels(self, subject: Recipe | Numerics | None) -> Kernels:
        """llama.cpp has kernels of its own for every type; of others only full precision is certain."""
        if self.server.formats == (Format.GGUF,):
            return "native"
        return "reference" if subject is None else "unknown"


def _server_log(log: Path) -> Path:
    return log.with_suffix(".server.log")
