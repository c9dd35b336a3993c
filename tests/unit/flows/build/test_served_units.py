"""What a build does with a server that answers: in which order, once for which file, and what is sealed."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.divergence.base_messages import (
    CheckpointLogits,
    PositionDivergences,
)
from quantgate.pipelines.engines.loading_report import LoadingReport
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeRequest,
    ServedProbeReport,
)
from quantgate.pipelines.engines.runtime import ServerAccess
from quantgate.pipelines.files.second_level import attach
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, Reply, RunWorker, WorkerCall, WorkerReply
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.shared_store import SharedStore
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.shared_objects import MemoryObjects

SOUND = ServedProbeReport(
    engine="vllm",
    loads=True,
    finite=True,
    compared_texts=1,
    mismatched_texts=(),
    kernels=(),
    detail="vllm answers",
)


@dataclass
class ServedFakeRuntime(FakeRuntime):
    """A runtime whose server notes what is done with it; `looks` are used up by variants."""

    looks: list[ServedProbeReport | WorkerError] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    asked_positions: tuple[int, ...] | None = None

    def server_access(self) -> ServerAccess | None:  # type: ignore[override]  # the fake's has none
        """This one has a server."""
        return self

    def refused(self, stops: Sequence[str], schema: str | None) -> str | None:
        """Nothing."""
        return None

    def compares(self, base: Loadable) -> bool:
        """Where the test wants positions asked."""
        return self.asked_positions is not None

    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Note that it was compared, at the positions that the test wants asked."""
        if self.asked_positions is None:
            return super().base_divergence(request, run_worker, on_progress)
        self.events.append("compare")
        kl, agreed = (0.0,) * len(self.asked_positions), (True,) * len(self.asked_positions)
        passages = len(request.checkpoint_logits.passages)
        asked = (self.asked_positions, *((),) * (passages - 1))
        return PositionDivergences(kl=kl, agreed=agreed, likeliest=20, asked=asked)

    def probe_served(
        self,
        request: ProbeRequest,
        control: Loadable,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> ServedProbeReport:
        """What the test wants of a variant; a base is sound."""
        self.events.append(f"look {request.context_tokens}")
        if request.loadable == control or not self.looks:
            return SOUND
        found = self.looks.pop(0)
        if isinstance(found, WorkerError):
            raise found
        return found

    def kept(self, loadable: Loadable) -> AbstractContextManager[None]:
        """Note the block."""
        return self._block()

    @contextmanager
    def _block(self) -> Iterator[None]:
        self.events.append("(")
        yield
        self.events.append(")")

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Note that it was measured."""
        self.events.append("divergence")
        return super().divergence(request, run_worker, on_progress)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Note that it was asked."""
        self.events.append(f"answer {request.context_tokens}")
        super().answer(request, run_worker, on_progress)


def test_look_and_run_share_a_server_and_the_native_work_is_done_before_it(tmp_path: Path) -> None:
    runtime = ServedFakeRuntime()
    here = faked_build(tmp_path, FakeBackend(), runtime)
    run_references(here, "llamacpp")
    length = here.suite_runs.longest_sequence_tokens
    look, answer = f"look {length}", f"answer {length}"
    assert runtime.events == ["(", look, "(", answer, ")", ")", "(", answer, ")"]
    runtime.events.clear()
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    assert units.audit_and_answer(here, planned).passed
    assert runtime.events == ["(", "divergence", look, "(", answer, ")", ")"]


def test_a_file_that_its_server_refuses_keeps_what_was_measured_natively(tmp_path: Path) -> None:
    refused = replace(SOUND, loads=False, finite=None, detail="vllm ended: no kernel")
    here = faked_build(tmp_path, FakeBackend(), ServedFakeRuntime(looks=[refused]))
    planned = here.plan.variants[0]
    run_references(here, "llamacpp")
    units.build_files(here, planned)
    report = units.audit_and_answer(here, planned)
    assert [(miss.check, miss.found) for miss in report.misses] == [
        ("loads in vllm", "no (vllm ended: no kernel)")
    ]
    found = {finding.check: finding.passed for finding in report.findings}
    assert found["loads in its runtime"] and found["logits are finite"]
    assert any("divergence" in check for check in found)
    assert not units.answered(here, planned)


def test_a_server_that_ends_for_another_reason_seals_nothing(tmp_path: Path) -> None:
    runtime = ServedFakeRuntime(looks=[WorkerError("vllm ended: out of memory")])
    here = faked_build(tmp_path, FakeBackend(), runtime)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    run_references(here, "llamacpp")
    with pytest.raises(WorkerError, match="out of memory"):
        units.audit_and_answer(here, planned)
    assert units.audit_and_answer(here, planned).passed
    assert units.answered(here, planned)


def windowed(
    checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
) -> LoadingReport:
    report = fake_loading(checkpoint, store, run_worker, on_progress)
    return replace(report, config_json='{"sliding_window": 40}')


def test_the_checkpoint_is_computed_before_a_server_takes_memory_and_what_it_never_reaches_is_said(
    tmp_path: Path,
) -> None:
    runtime = ServedFakeRuntime(asked_positions=(10, 30))
    here = computing(faked_build(tmp_path, FakeBackend(), runtime), runtime)
    here = replace(here, tools=replace(here.tools, report_loading=windowed))
    run_references(here, "llamacpp")
    look = f"look {here.suite_runs.longest_sequence_tokens}"
    assert runtime.events[:4] == ["compute", "(", look, "compare"]
    (report,) = measured_bases(here.plan, here.settings.store)
    assert report.finding.found.endswith("not reached: sliding_window 40")
    runtime.events.clear()
    run_references(here, "llamacpp")
    assert runtime.events == [], "sealed: nothing is computed or started again"


def test_the_checkpoint_is_not_computed_where_another_host_has_compared(tmp_path: Path) -> None:
    objects, events = MemoryObjects(), list[list[str]]()
    for host in ("first", "second"):
        runtime = ServedFakeRuntime(asked_positions=(10, 30))
        (tmp_path / host).mkdir()
        here = computing(faked_build(tmp_path / host, FakeBackend(), runtime), runtime)
        root = here.settings.store.root
        kinds = SharedKinds(largest_bytes=1 << 30)
        attach(root, SharedStore(root, objects, kinds, lease_seconds=4, say=print))
        run_references(here, "llamacpp")
        attach(root, None)
        events.append(runtime.events)
    assert events[0].count("compute") == 1
    assert "compute" not in events[1] and "compare" not in events[1]


def computing(here: LocalBuild, runtime: ServedFakeRuntime) -> LocalBuild:
    """Have a build's workers note that they compute the checkpoint."""

    def compute(
        call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        runtime.events.append("compute")
        value = CheckpointLogits(vocabulary_size=1, positions=1)
        assert isinstance(value, reply_type)
        return WorkerReply(value=value, seconds=0.0, peak_memory_bytes=0)

    return replace(here, tools=replace(here.tools, run_worker=compute))
