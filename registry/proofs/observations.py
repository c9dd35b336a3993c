"""What graders observed once, handed over again where nothing may be run.

An observation's key also covers how it was made (versions, paths of models, our own code), which a stranger's
machine does not share. So it is found by what was looked at.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.evaluation.observing import ObservationRecord, ObserveCall
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.files.sealed import is_sealed, read_manifest, verify
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.registry.proofs.archive import SEND_AGAIN

_OBSERVATIONS = "observations"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class KeptObservations:
    """A `RunWorker` that runs nothing: it hands over the observations that a store, or a bundle, holds.

    `place` is what that is called in errors.
    """

    root: Path
    place: str

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        """Copy the sealed observations of just these answers.

        Raises:
            InputError: there are none, or they were altered.
        """
        del on_progress
        request = call.request
        if isinstance(request, ObserveCall):
            for folder in self._of_the_same(request):
                shutil.copyfile(folder / request.observations.name, request.observations)
                value = from_json(reply_type, {"observed": 0})
                return WorkerReply(value=value, seconds=0.0, peak_memory_bytes=0)
        raise InputError(
            f"does not hold what was observed of its answers ({call.module.rpartition('.')[2]})",
            where=self.place,
            next_step=SEND_AGAIN,
        )

    def _of_the_same(self, request: ObserveCall) -> Iterator[Path]:
        """Yield folders whose observations are of these answers by this grader, that of this very name first.

        A neighbour that cannot be read is passed over.
        """
        name = request.questions.parent.name.removesuffix(_UNFINISHED)
        lines = request.questions.read_text(encoding="utf-8").split("\n")
        asked = digest_of([json.loads(line) for line in lines if line])
        grader = name.rpartition("--")[0]
        folders = (self.root / _OBSERVATIONS).glob(f"{grader}--*")
        for folder in sorted(folders, key=lambda each: (each.name != name, each.name)):
            if not is_sealed(folder):
                continue
            try:
                manifest = read_manifest(folder, ObservationRecord)
            except InputError:
                if folder.name == name:
                    raise
                continue
            if folder.name == name or manifest.record.questions_digest == asked:
                verify(folder, manifest)
                yield folder
