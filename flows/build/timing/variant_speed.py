"""How fast a variant is beside its base, by turns in one run, sealed in the store."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from quantgate.pipelines.audit.bench.bench import AuditBench
from quantgate.pipelines.domain.run import RuntimeIdentity
from quantgate.pipelines.domain.speed import Speed, SpeedConditions, SpeedRecord, SpeedSample
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.engines.requests import Loadable, Prompt
from quantgate.pipelines.engines.timing.meter import SpeedMeter, SpeedRequest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sealed_values import Missing, Sealed, sealed_record
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, Progress

ROUNDS = 3
"""How often base and variant are timed, by turns."""

_LONGEST_PROMPT, _LEAST_ANSWER, _LONGEST_ANSWER = 512, 16, 64
_CODE = (__name__, "quantgate.pipelines.domain.speed")
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPrompt:
    """What is asked while timing: a prompt of the suite, and how many tokens its answer has."""

    token_ids: tuple[int, ...]
    generated_tokens: int


def timed_prompt(prompts: Sequence[Prompt], answer_tokens: Sequence[int]) -> TimedPrompt:
    """Return the suite's prompt of middle length, and the middle length of the base's answers.

    A prompt longer than 512 tokens is cut there. Answers are between 16 tokens, below which a clock
    tells little, and 64.
    """
    middle = median_low(len(prompt.token_ids) for prompt in prompts)
    ids = next(p.token_ids for p in prompts if len(p.token_ids) == middle)
    return TimedPrompt(
        token_ids=ids[:_LONGEST_PROMPT],
        generated_tokens=min(max(median_low(answer_tokens), _LEAST_ANSWER), _LONGEST_ANSWER),
    )


def processor_name(cpuinfo: Path = _CPUINFO) -> str:
    """Return what the kernel calls this machine's processor."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSpeed:
    """The timing of one built variant: what it depends on, where it is sealed, and how it is made."""

    bench: AuditBench
    meter: SpeedMeter
    variant: Variant
    identity: RuntimeIdentity
    prompt: TimedPrompt
    threads: int

    @property
    def conditions(self) -> SpeedConditions:
        """What is asked of whom where."""
        device = self.identity.device
        return SpeedConditions(
            runtime=self.identity,
            processor=processor_name() if device == "cpu" else device,
            threads=self.threads,
            prompt_tokens=len(self.prompt.token_ids),
            generated_tokens=self.prompt.generated_tokens,
        )

    @property
    def key(self) -> Digest:
        """All that the outcome depends on, but for what else the machine does."""
        return digest_of(
            [
                self.bench.checkpoint.digests.combined,
                self.variant.files_digest,
                to_json(self.conditions),
                list(self.prompt.token_ids),
                ROUNDS,
                self.meter.source_digest(),
                source_digest(alone=_CODE),
            ]
        )

    @property
    def folder(self) -> Path:
        """Where the outcome is sealed."""
        return self.bench.store.speed(self.variant.identifier, self.key)

    def sealed(self) -> Sealed[SpeedRecord] | Missing:
        """Return the timing where it was made."""
        return sealed_record(self.folder, SpeedRecord, f"speed {self.variant.identifier}")

    def made(self) -> SpeedRecord:
        """Return the timing, made if nobody has.

        Raises:
            CheckpointError: where one of them does not load.
            ToolchainError, ServiceError, WorkerError: from the child processes.
        """

        def produce(_: Path) -> SpeedRecord:
            with self.bench.show("time", self.variant.identifier) as progress:
                return SpeedRecord(speed=self._measure(progress))

        return produce_once(self.folder, SpeedRecord, produce).record

    def _measure(self, on_progress: OnProgress) -> Speed:
        base = self.bench.base(self.variant.recipe.runtime)
        variant = self.bench.loadable(self.variant)
        samples: list[SpeedSample] = []
        for done in range(2 * ROUNDS):
            on_progress(Progress(done=done, total=2 * ROUNDS, what="timing"))
            samples.append(self._sample(variant if done % 2 else base))
        return Speed(
            conditions=self.conditions, base=tuple(samples[::2]), variant=tuple(samples[1::2])
        )

    def _sample(self, loadable: Loadable) -> SpeedSample:
        bench = self.bench
        request = SpeedRequest(
            loadable=loadable,
            prompt=self.prompt.token_ids,
            generated_tokens=self.prompt.generated_tokens,
            threads=self.threads,
            log=bench.store.logs / f"speed-{self.variant.identifier}.log",
        )
        return self.meter.sample(request, bench.run_worker, lambda _: None)
