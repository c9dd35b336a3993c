"""What corpora are built with on this machine: hub datasets and traces brought here, tokenizers, children."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from quantgate.calibration.resources import BuildResources
from quantgate.calibration.sources.local import RemoteRows
from quantgate.calibration.specs.corpus import SourceSpec
from quantgate.flows.build.corpora.traces import export_traces
from quantgate.flows.settings import Settings, cores_here
from quantgate.flows.wiring import tools_to_look
from quantgate.pipelines.authoring.fit import view_model
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.reading import at_home, is_folder
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.source import HubSource, parse_hub_source
from quantgate.pipelines.hub.table_source import TableSource
from quantgate.pipelines.hub.tables import TableReader
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker, ignore_progress

_MOST_PROCESSES = 2
"""Each has some hundred megabytes; all together stay well below a gigabyte."""


def corpus_resources(
    settings: Settings, run_worker: RunWorker, on_progress: OnProgress = ignore_progress
) -> BuildResources:
    """Return what corpora are built with: a child for each core, two at most."""
    return BuildResources(
        store=settings.store,
        run_worker=run_worker,
        processes=min(_MOST_PROCESSES, settings.workers * settings.threads, cores_here()),
        fetch_remote=RemoteSources(settings=settings, run_worker=run_worker),
        chat_of=lambda source: chat_of(source, settings),
        on_progress=on_progress,
    )


def spoken(say: Callable[[str], None], every_seconds: float = 10.0) -> OnProgress:
    """Return what says how far a long build is, a line now and then."""
    last = time.monotonic()

    def hear(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= every_seconds:
            last = time.monotonic()
            say(f"{progress.what}: {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB")

    return hear


def chat_of(source: str, settings: Settings) -> ChatFormat:
    """Return the chat format of a checkpoint: a folder, a GGUF file, or `org/name[@revision]`.

    Raises:
        InputError, CheckpointError, ServiceError: where there is none, or it is refused.
    """
    if is_folder(at_home(source)):
        return ChatFormat.of(at_home(source))
    return view_model(source, settings.store, settings.hub, tools_to_look(settings)).chat


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSources:
    """Brings hub datasets and MLflow traces here as JSON lines; it is a `FetchRemote`."""

    settings: Settings
    run_worker: RunWorker

    def __call__(self, source: SourceSpec) -> RemoteRows:
        """Return a source's rows; a pinned commit that was read once costs no request.

        Raises:
            InputError: where there is no such dataset or experiment.
            ServiceError, WorkerError: from the hub, the tracking server and the worker.
        """
        if source.experiment:
            return RemoteRows(path=export_traces(source.experiment, self.settings))
        repository = parse_hub_source(source.hub)
        if repository is None:
            raise InputError(
                "is not org/name@revision",
                where=source.name,
                next_step="write it as org/name@revision",
            )
        commit = repository.revision if repository.is_pinned else self._commit(repository)
        reader = TableReader(
            store=self.settings.store,
            hub=self.settings.hub,
            threads=self.settings.threads,
            run_worker=self.run_worker,
        )
        table = TableSource(
            hub=f"{repository.repository}@{commit}", config=source.config, split=source.split
        )
        try:
            return RemoteRows(path=reader(table), commit=commit)
        except InputError as error:
            raise InputError(
                error.what,
                where=error.where or source.name,
                next_step="check `config` and `split` of this source in the corpus's spec",
            ) from error

    def _commit(self, source: HubSource) -> str:
        """Return the commit that a branch or tag means today."""
        hub = self.settings.hub
        with hub_errors(source.repository, source.revision, hub.endpoint):
            from huggingface_hub import HfApi

            api = HfApi(endpoint=hub.endpoint, token=hub.token, library_name="quantgate")
            dataset = api.dataset_info(source.repository, revision=source.revision)
        if dataset.sha is None:
            raise ServiceError(
                "the hub names no commit",
                where=source.repository,
                next_step="ask the hub again, or pin a full commit after the @",
            )
        return dataset.sha
