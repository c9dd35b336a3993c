"""Passes over sources: every part scanned, side by side and kept, and drawn rows read again.

A part that is done stays in the scratch folder until the corpus is sealed, so a killed build goes on with it.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from quantgate.calibration.drawing.fetching import fetch_rows, read_sequence_lines
from quantgate.calibration.drawing.mixing import RankedRow
from quantgate.calibration.drawing.parts import (
    FetchCall,
    Fetched,
    Outline,
    OutlineCall,
    ScanCall,
    ScannedPart,
    SourcePart,
    cut,
)
from quantgate.calibration.drawing.reduction import PartResult, Scanned, reduce_parts, refuse_broken
from quantgate.calibration.drawing.scanning import rank_of, scan
from quantgate.calibration.resources import BuildResources
from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.sources.rows import content_of
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import OnProgress, Progress, WorkerCall
from quantgate.pipelines.process.children import CHILDREN


class Passes:
    """Reads a build's sources, in children or, where they are small, in this process.

    `at_most` is how many sequences a spec can want, which bounds what a scan keeps.
    """

    def __init__(
        self,
        spec: CorpusSpec,
        sources: Sequence[LocalSource],
        resources: BuildResources,
        *,
        scratch: Path,
        at_most: int,
    ) -> None:
        """Prepare; nothing is read yet."""
        self._spec, self._sources, self._resources = spec, sources, resources
        self._scratch, self._at_most = scratch, at_most
        text = all(source.kind != "parquet" for source in sources)
        size = sum(source.size_bytes for source in sources)
        self._in_process = text and (
            resources.run_worker is None or size <= resources.in_process_bytes
        )

    def scan(self, factor: int) -> Scanned:
        """Scan every part, or find it scanned, and put them together.

        Raises:
            InputError: where a source cannot be used.
            WorkerError, ToolchainError: from child processes, and where the disk is full.
        """
        parts = cut(self._sources, self._resources.part_bytes, self._outline)
        progress = _Sum(self._resources.on_progress, sum(part.size_bytes for part in parts))
        pool = ThreadPoolExecutor(max_workers=1 if self._in_process else self._resources.processes)
        try:
            futures = [
                pool.submit(self._scanned, part, factor, progress.of(index))
                for index, part in enumerate(parts)
            ]
            results = []
            for future in futures:
                results.append(future.result())
                refuse_broken(results[-1], self._sources[results[-1].part.source])
        except KeyboardInterrupt:
            CHILDREN.end_all()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return reduce_parts(
            results,
            spec=self._spec,
            sources=self._sources,
            sequences=self._at_most,
            factor=factor,
        )

    def _scanned(self, part: SourcePart, factor: int, on_progress: OnProgress) -> PartResult:
        name = f"x{factor}-{part.source}-{part.start}-{part.end}"
        source = self._sources[part.source]

        def produce(folder: Path) -> ScannedPart:
            call = ScanCall(
                spec=self._spec,
                source=source,
                part=part,
                sequences=self._at_most,
                factor=factor,
                folder=folder,
            )
            if self._in_process:
                return scan(call, on_progress)
            return self._resources.run()(
                self._call("quantgate.calibration.workers.scan", call), ScannedPart, on_progress
            ).value

        folder = self._scratch / name
        scanned = produce_once(folder, ScannedPart, produce).record
        on_progress(Progress(done=part.size_bytes, total=part.size_bytes, what="scanning"))
        return PartResult(part=part, scanned=scanned, folder=folder)

    def fetch(self, batch: Sequence[RankedRow]) -> list[CorpusSequence]:
        """Return the sequences of drawn rows, in their order, each held against its rank.

        Raises:
            InputError: where a source was changed since it was scanned.
        """
        sequences: dict[bytes, CorpusSequence] = {}
        for index in sorted({row.source for row in batch}):
            mine = sorted(
                (row for row in batch if row.source == index), key=lambda row: row.position
            )
            for row, sequence in zip(mine, self._fetch(index, mine), strict=True):
                if rank_of(content_of(sequence), self._spec.seed) != row.rank:
                    raise InputError(
                        "was changed while it was read",
                        where=str(self._sources[index].path),
                        next_step="run the same command again once nobody writes to it",
                    )
                sequences[row.rank] = sequence
        return [sequences[row.rank] for row in batch]

    def _fetch(self, index: int, rows: Sequence[RankedRow]) -> Iterator[CorpusSequence]:
        with TemporaryDirectory(dir=self._scratch) as folder:
            call = FetchCall(
                spec=self._spec,
                source=self._sources[index],
                places=tuple((row.position, row.length) for row in rows),
                output=Path(folder) / "rows.jsonl",
            )
            if self._in_process:
                fetch_rows(call)
            else:
                worker = self._call("quantgate.calibration.workers.fetch", call)
                self._resources.run()(worker, Fetched, self._resources.on_progress)
            yield from read_sequence_lines(call.output)

    def _outline(self, path: Path) -> Outline:
        worker = self._call("quantgate.calibration.workers.outline", OutlineCall(path=path))
        return self._resources.run()(worker, Outline, self._resources.on_progress).value

    def _call(self, module: str, request: object) -> WorkerCall:
        log = self._resources.store.logs / f"corpus-{self._spec.name}.log"
        return WorkerCall(module=module, request=request, log=log, threads=1)


class _Sum:
    """Progress of several parts as one."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress, self._total = on_progress, total
        self._done: dict[int, int] = {}
        self._lock = threading.Lock()

    def of(self, index: int) -> OnProgress:
        def hear(progress: Progress) -> None:
            with self._lock:
                self._done[index] = progress.done
                done = sum(self._done.values())
                self._on_progress(Progress(done=done, total=self._total, what="reading sources"))

        return hear
