"""Runtime: any server that speaks OpenAI's interface, started for each run or running already.

A server tells texts and token ids, not logits. So the file's native runtime (llama.cpp for GGUF,
transformers for folders) still makes the base, reads what files say of themselves, looks at logits and
measures divergence; the server has to load the file, read texts alike and answer, and it alone answers
the suite.
"""

import importlib.util
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.domain.audit import Divergence
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import InputError
from pipelines.domain.recipe import Format, Numerics, Recipe
from pipelines.domain.run import Kernels, RuntimeIdentity, Schedule
from pipelines.domain.server import Server
from pipelines.domain.values import Digest, digest_of
from pipelines.files.hashing import source_digest
from pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from pipelines.runtimes.contents import Contents
from pipelines.runtimes.openai_dialects import dialect_of
from pipelines.runtimes.openai_messages import (
    AnswerTally,
    ServedAnswersCall,
    ServedProbe,
    ServedProbeCall,
    Serving,
)
from pipelines.runtimes.protocol import (
    AnswerRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
    Runtime,
)

_WORKERS = "pipelines.runtimes.workers"
_SOURCES = (
    f"{_WORKERS}.openai_answer",
    f"{_WORKERS}.openai_probe",
    "pipelines.runtimes.openai_answers",
    "pipelines.runtimes.openai_dialects",
    "pipelines.runtimes.openai_session",
)
_SETTINGS_DIGITS = 8


@dataclass(frozen=True, slots=True)
class OpenAiServerRuntime:
    """Answers prompts through a server; `native` does what takes logits. See `Runtime`."""

    server: Server
    native: Runtime

    def missing(self) -> str | None:
        """Return None when the command is there and the key is set, else one sentence."""
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
        return None

    def constrains(self) -> bool:
        """Say whether the engine has a way to bind answers to JSON schemas in this form of prompts."""
        return self.server.prompts == "chat" or dialect_of(self.server.engine).schema is not None

    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer, as the build file and the server itself tell it.

        The version ends with a digest of the command, the form of prompts and the added fields: two
        settings of one engine are two contracts.

        Raises:
            InputError: where its version was never found out.
        """
        server = self.server
        if server.version is None:
            raise InputError("its version is unknown", where=f"server {server.name}")
        kv_cache = subject.kv_cache if isinstance(subject, Recipe) else "f16"
        return RuntimeIdentity(
            engine=server.engine,
            version=f"{server.version}, settings {server.settings_digest[:_SETTINGS_DIGITS]}",
            device=server.device,
            kv_cache=kv_cache if server.sets_kv_cache else server.kv_cache,
            compute_dtype=server.compute_dtype,
            kernels=self._kernels(subject),
        )

    def source_digest(self) -> Digest:
        """Return the digest of the code that asks and reads answers, the settings, and the native code."""
        return digest_of(
            [source_digest(*_SOURCES), self.server.settings_digest, self.native.source_digest()]
        )

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the base in the form of the native runtime: an F16 GGUF, or its own folder."""
        return self.native.reference(checkpoint, scratch, run_worker, on_progress)

    def schedule(self, threads: int) -> Schedule:
        """Return as many slots as requests are under way at once."""
        return Schedule(slots=self.server.concurrency, threads=threads)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Look natively, then through the server; one that ends over the file is a report too."""
        native = self.native.probe(request, run_worker, on_progress)
        if not (native.loads and native.finite_logits):
            return native
        call = WorkerCall(
            module=f"{_WORKERS}.openai_probe",
            request=ServedProbeCall(
                serving=self._serving(request.loadable, request.threads, request.log),
                texts=request.texts,
            ),
            log=request.log,
            threads=request.threads,
        )
        served = run_worker(call, ServedProbe, on_progress).value
        mismatched = (*native.mismatched_texts, *served.mismatched_texts)
        return replace(
            native,
            loads=served.answers,
            finite_logits=served.finite,
            mismatched_texts=tuple(dict.fromkeys(mismatched)),
            detail=f"{native.detail}; {served.detail}" if served.answers else served.detail,
        )

    def contents(self, loadable: Loadable) -> Contents:
        """Return what the files say of themselves."""
        return self.native.contents(loadable)

    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        """Return the native runtime's, which measures."""
        return self.native.divergence_digest(numerics)

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Return the divergence that the native runtime measures."""
        return self.native.divergence(request, run_worker, on_progress)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Answer every prompt that `request.answers` does not hold yet."""
        schedule = request.schedule
        call = WorkerCall(
            module=f"{_WORKERS}.openai_answer",
            request=ServedAnswersCall(
                serving=self._serving(request.loadable, schedule.threads, request.log),
                prompts=request.prompts,
                answers=request.answers,
                decode=request.decode,
                stop_token_ids=request.stop_token_ids,
            ),
            log=request.log,
            threads=schedule.threads,
        )
        run_worker(call, AnswerTally, on_progress)

    def _serving(self, loadable: Loadable, threads: int, log: Path) -> Serving:
        return Serving(
            server=self.server,
            model=loadable.path,
            kv_cache=loadable.kv_cache,
            threads=threads,
            slots=self.server.concurrency,
            server_log=log.with_suffix(".server.log"),
        )

    def _kernels(self, subject: Recipe | Numerics | None) -> Kernels:
        """llama.cpp has kernels of its own for every type; of others only full precision is certain."""
        if self.server.formats == (Format.GGUF,):
            return "native"
        return "reference" if subject is None else "unknown"
