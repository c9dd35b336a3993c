"""A plan on this machine: what all units of a build share, worked out once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.preflight.prompts import rendered_suite
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Equipment
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.base_divergence import DivergenceCause
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts
from quantgate.pipelines.evaluation.loops.waves import loops_of
from quantgate.pipelines.evaluation.observing import Observatory
from quantgate.pipelines.evaluation.runs import Examination, RunPlan
from quantgate.pipelines.formats.tokenizer_folder import special_token_ids
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.variants.variant import PlannedVariant, open_variant
from quantgate.registry import Evidence

ShowUnit = Callable[[str, str], AbstractContextManager[OnProgress]]
"""Shows that a unit (step, identifier) is under way; yields what hears its progress."""


@dataclass(frozen=True, kw_only=True)
class BuildSite:
    """A plan, on this machine, with its tools."""

    plan: BuildPlan
    settings: Settings
    tools: Equipment
    show: ShowUnit

    @cached_property
    def chat(self) -> ChatFormat:
        """The base's chat template and tokenizer, with the variables that suite and build give."""
        return rendered_suite(self.plan.suite, self.plan.checkpoint).chat

    @cached_property
    def examination(self) -> Examination:
        """The suite as this base is asked it."""
        checkpoint, suite = self.plan.checkpoint, self.plan.suite
        observatory = Observatory(
            store=self.settings.store,
            run_worker=self.tools.run_worker,
            threads=self.settings.threads,
        )
        prompts = rendered_suite(suite, checkpoint).prompts
        reader = AnswerReader(
            thoughts=suite.thoughts,
            prompts={one.item_id: one.text for one in prompts.prompts},
            tokenizer=self.chat.tokenizer,
        )
        loops = loops_of(
            LoopPrompts(
                suite=suite,
                chat=self.chat,
                context_length_tokens=checkpoint.context_length_tokens,
            ),
            reader=reader,
            observatory=observatory,
        )
        return Examination(
            suite=suite,
            prompts=loops.known_by(prompts) if loops else prompts,
            reader=reader,
            stop_token_ids=special_token_ids(checkpoint.folder).end,
            observatory=observatory,
            loops=loops,
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
        if planned.key not in self._opened:
            self._opened[planned.key] = open_variant(planned, self.settings.store)
        return self._opened[planned.key]

    @cached_property
    def _opened(self) -> dict[Digest, Variant]:
        return {}

    @cached_property
    def judged(self) -> dict[Digest, Evidence]:
        """What was judged in this process, by the variant's key."""
        return {}

    def read(self, plan: RunPlan) -> Run:
        """Return a sealed run; it is compared with its manifest and graded once a process.

        Raises:
            InputError: where it was altered since it was sealed.
        """
        if plan.key not in self._read:  # two threads may both read it, and read the same
            self._read[plan.key] = self.examination.read(plan)
        return self._read[plan.key]

    @cached_property
    def _read(self) -> dict[Digest, Run]:
        return {}

    @cached_property
    def base_contents(self) -> dict[str, Contents]:
        """What the base says of itself, by runtime."""
        return {}

    @cached_property
    def causes(self) -> dict[str, DivergenceCause]:
        """Why the base differs from its checkpoint, by runtime in which it does."""
        return {}

    @cached_property
    def bases(self) -> dict[str, Loadable]:
        """The base in loadable form, by runtime."""
        return {}
