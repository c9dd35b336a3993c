"""A plan on this machine: what all units of a build share, worked out once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quantgate.flows.build.audit_texts import AuditTexts
from quantgate.flows.build.plan import GGUF_SOURCE, BuildPlan
from quantgate.flows.build.preflight.prompts import rendered_suite
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.bench.bench import AuditBench, BaseReading, ShowUnit
from quantgate.pipelines.audit.bench.computing import MemoryBounds
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.base_divergence import DivergenceCause
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts
from quantgate.pipelines.evaluation.loops.waves import loops_of
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.runs import RunPlan, SuiteRuns
from quantgate.pipelines.files.sealed_values import Once
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.report.stored.experience import Experience
from quantgate.pipelines.variants.variant import PlannedVariant, open_variant
from quantgate.registry import Evidence


@contextmanager
def unseen(_step: str, _unit: str) -> Iterator[OnProgress]:
    """Show nothing of a unit."""
    yield ignore_progress


@dataclass(kw_only=True, eq=False)
class LocalBuild:
    """A plan, with the settings and tools of this machine.

    `judged` are the verdicts of this process and `causes` why the base differs from its checkpoint, by the
    variant's key and by runtime. `experience` is what earlier builds showed.
    """

    plan: BuildPlan
    settings: Settings
    tools: Tools
    show: ShowUnit = unseen
    judged: Once[Evidence] = field(default_factory=Once, init=False, repr=False)
    causes: Once[DivergenceCause] = field(default_factory=Once, init=False, repr=False)
    experience: Once[Experience] = field(default_factory=Once, init=False, repr=False)
    _opened: Once[Variant] = field(default_factory=Once, init=False, repr=False)
    _runs: Once[Run] = field(default_factory=Once, init=False, repr=False)
    _held: Once[HeldAtOnce] = field(default_factory=Once, init=False, repr=False)

    @cached_property
    def chat(self) -> ChatFormat:
        """The base's chat template and tokenizer, with the variables that suite and build give."""
        return rendered_suite(self.plan.suite, self.plan.checkpoint).chat

    @cached_property
    def suite_runs(self) -> SuiteRuns:
        """The suite as this base is asked it."""
        checkpoint, suite = self.plan.checkpoint, self.plan.suite
        observation_runner = ObservationRunner(
            store=self.settings.store,
            run_worker=self.tools.run_worker,
            threads=self.settings.threads,
        )
        prompts = rendered_suite(suite, checkpoint).prompts
        reader = AnswerReader(
            thoughts=suite.thoughts,
            prompts={prompt.item_id: prompt.text for prompt in prompts.prompts},
            tokenizer=self.chat.tokenizer,
        )
        loops = loops_of(
            LoopPrompts(
                suite=suite,
                chat=self.chat,
                context_length_tokens=checkpoint.context_length_tokens,
            ),
            reader=reader,
            observation_runner=observation_runner,
        )
        return SuiteRuns(
            suite=suite,
            prompts=loops.known_by(prompts) if loops else prompts,
            reader=reader,
            stop_token_ids=special_token_ids(checkpoint.folder).end,
            observation_runner=observation_runner,
            loops=loops,
        )

    def held_at_once(self, runtime: str) -> HeldAtOnce:
        """Return what a runtime holds at most while it answers the suite."""

        def most() -> HeldAtOnce:
            engine, weights = self.tools.runtimes[runtime], self.plan.checkpoint.parameter_count
            schedule = engine.schedule(self.settings.threads)
            return max(
                (engine.held_at_once(asked, schedule, weights) for asked in self.suite_runs.asked),
                key=lambda held: held.tokens,
            )

        return self._held(runtime, most)

    @cached_property
    def bench(self) -> AuditBench:
        """What audits of the base and its variants are made with."""
        source = self.tools.source_runtime
        return AuditBench(
            checkpoint=self.plan.checkpoint,
            runtimes={**self.tools.runtimes, **({GGUF_SOURCE: source} if source else {})},
            store=self.settings.store,
            threads=self.settings.threads,
            run_worker=self.tools.run_worker,
            report_loading=self.tools.report_loading,
            measure_rulers=self.tools.measure_rulers,
            show=self.show,
            memory=MemoryBounds(size_bytes=self.settings.memory_bytes, offload=self.plan.offload),
        )

    @cached_property
    def texts(self) -> AuditTexts:
        """What audits look at of suite and corpus."""
        return AuditTexts(
            chat=self.chat,
            suite_runs=self.suite_runs,
            corpus=self.plan.corpus,
            folder=self.scratch,
        )

    @cached_property
    def reading(self) -> BaseReading:
        """How the base reads and is asked."""
        return BaseReading(
            texts=self.texts.parity,
            texts_digest=self.texts.parity_digest,
            template=self.chat.template,
            template_notes=self.chat.notes,
            stop_token_ids=self.suite_runs.stop_token_ids,
            longest_sequence_tokens=self.suite_runs.longest_sequence_tokens,
        )

    @property
    def scratch(self) -> Path:
        """Where what is derived from the base is kept."""
        return self.settings.store.checkpoint(self.plan.checkpoint.digests.combined)

    def open(self, planned: PlannedVariant) -> Variant:
        """Return a sealed variant; its bytes are compared with its manifest once a process.

        Raises:
            InputError: where it is missing or was altered.
        """
        return self._opened(planned.key, lambda: open_variant(planned, self.settings.store))

    def read(self, plan: RunPlan) -> Run:
        """Return a sealed run; it is compared with its manifest and graded once a process.

        Raises:
            InputError: where it was altered since it was sealed.
        """
        return self._runs(plan.key, lambda: self.suite_runs.read(plan))

    def keep(self, run: Run) -> Run:
        """Have `read` return a run that was sealed, read back and graded just now."""
        return self._runs.keep(run.key, run)
