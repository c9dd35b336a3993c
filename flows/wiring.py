"""Which implementation stands behind each seam: the only place that chooses backends and runtimes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.tools import (
    CheckpointTools,
    ExpandFolder,
    OpenGguf,
    refuse_gguf,
)
from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.archived.autoawq import AUTOAWQ
from quantgate.pipelines.engines.archived.autogptq import AUTOGPTQ
from quantgate.pipelines.engines.archived.backend import ArchivedBackend
from quantgate.pipelines.engines.backend import Backend
from quantgate.pipelines.engines.divergence.rulers import MeasureRulers, measure_rulers
from quantgate.pipelines.engines.foreign.backend import ForeignBackend
from quantgate.pipelines.engines.llamacpp.backend import LlamaCppBackend
from quantgate.pipelines.engines.llamacpp.layout_trial import refuse_unknown_to_llamacpp
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.llamacpp.speed import LlamaCppSpeedMeter
from quantgate.pipelines.engines.llamacpp.unpacking.opening import GgufOpener
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.loading_report import ReportLoading
from quantgate.pipelines.engines.openai.dialects import dialect_of
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.speed import ServerSpeedMeter
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.timing.meter import SpeedMeter
from quantgate.pipelines.engines.transformers.checkpoint_loading import report_loading
from quantgate.pipelines.engines.transformers.expanding import FolderExpander
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.configuration.transformers_source import transformers_architectures
from quantgate.pipelines.hub.table_source import ReadTable
from quantgate.pipelines.hub.tables import TableReader
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.devices.engines import chosen_devices
from quantgate.pipelines.process.environments import LockedEnvironment
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildSpec

RehearseConversion = Callable[[Checkpoint, Store, RunWorker, OnProgress], None]
"""Refuses a checkpoint that cannot be converted to GGUF, or whose conversion llama.cpp cannot have."""

TryGguf = Callable[[ForeignOptions, Checkpoint, Store, RunWorker, OnProgress], None]
"""Refuses a GGUF that somebody else made, of this base, where llama.cpp has no model for it."""


def take_any_checkpoint(
    _checkpoint: Checkpoint, _store: Store, _run_worker: RunWorker, _on_progress: OnProgress
) -> None:
    """Refuse none: nothing here asks llama.cpp."""


def take_any_gguf(
    _made: ForeignOptions,
    _base: Checkpoint,
    _store: Store,
    _run_worker: RunWorker,
    _on_progress: OnProgress,
) -> None:
    """Refuse none: nothing here asks llama.cpp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Backends by the name recipes call them, runtimes likewise, and what runs workers, rulers and looks at
    checkpoints.

    `servers` are those of the build; each is a runtime too, by its name. `architectures` are those of the
    tools that load checkpoints. `source_runtime` answers from the GGUF file that a checkpoint was made of.
    `speed_meters` time the runtimes that serve, by name: those without one are there for accuracy only.
    """

    backends: Mapping[str, Backend]
    runtimes: Mapping[str, Runtime]
    run_worker: RunWorker
    measure_rulers: MeasureRulers = measure_rulers
    servers: tuple[Server, ...] = ()
    report_loading: ReportLoading = report_loading
    rehearse_conversion: RehearseConversion = take_any_checkpoint
    try_gguf: TryGguf = take_any_gguf
    architectures: tuple[ToolArchitectures, ...] = ()
    open_gguf: OpenGguf = refuse_gguf
    expand_folder: ExpandFolder | None = None
    source_runtime: Runtime | None = None
    speed_meters: Mapping[str, SpeedMeter] = field(default_factory=dict)


def wire(settings: Settings, servers: Sequence[Server] = ()) -> Tools:
    """Wire the real tools, and a build's servers, whose versions are known.

    Raises:
        InputError: where QUANTGATE_DEVICE names what there is not.
        ToolchainError: where the driver's own tool fails.
    """
    chosen_devices()
    llamacpp = LlamaCppBackend(converter=settings.converter)
    archived = archived_environment(settings)
    native: dict[str, Runtime] = {
        "llamacpp": LlamaCppRuntime(convert=llamacpp.converter.convert),
        "transformers": TransformersRuntime(),
    }
    served = {
        server.name: OpenAiServerRuntime(
            server, native["llamacpp" if Format.GGUF in server.formats else "transformers"]
        )
        for server in servers
    }
    return Tools(
        backends={
            "llamacpp": llamacpp,
            "llmcompressor": LlmCompressorBackend(),
            "autoawq": ArchivedBackend(package=AUTOAWQ, environment=archived),
            "autogptq": ArchivedBackend(package=AUTOGPTQ, environment=archived),
            "foreign": ForeignBackend(),
        },
        runtimes={**native, **served},
        run_worker=run_worker,
        rehearse_conversion=llamacpp.converter.rehearse,
        try_gguf=refuse_unknown_to_llamacpp,
        open_gguf=GgufOpener(settings.converter, run_worker).open,
        expand_folder=FolderExpander(run_worker).expand,
        source_runtime=LlamaCppRuntime(convert=gguf_itself),
        speed_meters={
            "llamacpp": LlamaCppSpeedMeter(),
            **{
                name: ServerSpeedMeter(runtime)
                for name, runtime in served.items()
                if runtime.server.prompts == "ids"
            },
        },
        servers=tuple(servers),
        architectures=tuple(
            architectures
            for architectures in (llamacpp.converter.architectures(), transformers_architectures())
            if architectures is not None
        ),
    )


def gguf_itself(
    checkpoint: Checkpoint, _scratch: Path, _run_worker: RunWorker, _on_progress: OnProgress
) -> Path:
    """Return the GGUF file that a checkpoint was made of.

    Raises:
        CheckpointError: where it was made of none.
    """
    if checkpoint.origin is None:
        raise CheckpointError(
            "was not made of a GGUF file",
            where=checkpoint.source,
            next_step="name the GGUF file itself as the model",
        )
    return checkpoint.origin.file


def tools_to_look(settings: Settings) -> CheckpointTools:
    """Return what resolves checkpoints for those who judge nothing: low-bit GGUF files are expanded."""
    return CheckpointTools(
        open_gguf=GgufOpener(settings.converter, run_worker).open, expansion="to be looked at"
    )


def servers_in_use(spec: BuildSpec, memory: Path | None = None) -> tuple[Server, ...]:
    """Return the servers that recipes are judged in, with their versions, remembered in the file `memory`.

    Raises:
        ServiceError: where a running one cannot be reached.
        InputError: where nothing tells a version.
    """
    return tuple(
        identified(server, memory) for server in spec.servers if server.name in spec.judge_in
    )


def takes_template_variables(server: Server) -> bool:
    """Say whether a server can be handed template variables in the form of prompts that it is sent."""
    return server.prompts != "chat" or dialect_of(server.engine).template_variables


def table_reader(settings: Settings) -> ReadTable:
    """Return what `load_suite` reads tables with on this machine."""
    return TableReader(
        store=settings.store, hub=settings.hub, threads=settings.threads, run_worker=run_worker
    )


def archived_environment(settings: Settings) -> LockedEnvironment:
    """Return the environment of the packages whose pins clash with ours, made or not."""
    return LockedEnvironment(
        name="archived",
        lock=Path(__file__).resolve().parents[1] / "requirements" / "archived.lock",
        tool_cache=settings.tool_cache,
        command="make setup-archived",
    )
