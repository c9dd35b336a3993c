"""Tables that suites take items from: read by a child process once for each content, sealed in the store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.sealed import produce_once, read_manifest, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.source import HubSettings, HubSource, parse_hub_source
from quantgate.pipelines.hub.table_messages import HubDataset, TableRows, TableRowsCall
from quantgate.pipelines.hub.table_source import TableSource
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall, ignore_progress

_WORKER = "quantgate.pipelines.hub.workers.table_rows"
_ROWS = "rows.jsonl"
_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReader:
    """Reads parquet files and hub datasets as JSON lines; it is a `ReadTable`."""

    store: Store
    hub: HubSettings
    threads: int
    run_worker: RunWorker
    on_progress: OnProgress = ignore_progress

    def __call__(self, source: TableSource) -> Path:
        """Return the sealed rows of a table, read now if they never were.

        A parquet file is known by its content, a hub dataset by its commit: a pinned revision that was
        read once costs no request.

        Raises:
            InputError: where there is no such dataset, or sealed rows were altered.
            ServiceError, WorkerError: from the hub and from the worker.
        """
        if source.path is not None:
            return self._parquet(source.path)
        return self._hub(source)

    def _parquet(self, path: Path) -> Path:
        digest = DigestMemory(self.store.digest_memory).digest(path)
        return self._sealed(
            path.stem, [digest], lambda rows: TableRowsCall(output=rows, parquet=path.resolve())
        )

    def _hub(self, source: TableSource) -> Path:
        hub_source = parse_hub_source(source.hub or "")
        if hub_source is None:
            raise InputError(
                "is not org/name@revision",
                where=str(source.hub),
                next_step="write it as org/name@revision",
            )
        revision = hub_source.revision if hub_source.is_pinned else self._commit(hub_source)
        hub = HubDataset(
            repository=hub_source.repository,
            revision=revision,
            config=source.config,
            split=source.split,
            endpoint=self.hub.endpoint,
            cache=self.store.root / "downloads" / ".datasets",
        )
        return self._sealed(
            hub_source.repository.replace("/", "--"),
            [hub_source.repository, revision, source.config, source.split],
            lambda rows: TableRowsCall(output=rows, hub=hub),
        )

    def _commit(self, hub_source: HubSource) -> str:
        endpoint = self.hub.endpoint
        with hub_errors(hub_source.repository, hub_source.revision, endpoint):
            from huggingface_hub import HfApi

            api = HfApi(endpoint=endpoint, token=self.hub.token, library_name="quantgate")
            dataset = api.dataset_info(hub_source.repository, revision=hub_source.revision)
        if dataset.sha is None:
            raise ServiceError(
                "the hub names no commit",
                where=hub_source.repository,
                next_step="ask the hub again, or pin a full commit after the @",
            )
        return dataset.sha

    def _sealed(
        self, name: str, identity: list[JsonValue], call: Callable[[Path], TableRowsCall]
    ) -> Path:
        key: Digest = digest_of([*identity, source_digest(_WORKER)])
        folder = self.store.root / "tables" / f"{name}--{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> TableRows:
            log = self.store.logs / f"{folder.name}.log"
            worker = WorkerCall(
                module=_WORKER,
                request=call(staging / _ROWS),
                log=log,
                threads=self.threads,
            )
            return self.run_worker(worker, TableRows, self.on_progress).value

        produce_once(folder, TableRows, produce)
        verify(folder, read_manifest(folder, TableRows))
        return folder / _ROWS
