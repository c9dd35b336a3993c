"""Whether a checkpoint that was made of a GGUF file is what llama.cpp reads and computes of that file."""

from dataclasses import replace

from quantgate.flows.build.bases import audited_base, keep_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import GGUF_SOURCE
from quantgate.pipelines.audit.base_divergence import divergence_text
from quantgate.pipelines.domain.errors import CheckpointError


def refuse_unlike_source(build: LocalBuild) -> None:
    """Refuse a base that reads or computes otherwise than its GGUF file: token ids, template, ends, logits.

    Raises:
        CheckpointError: saying what differs.
        InputError, ToolchainError, WorkerError: from the child processes.
    """
    origin = build.plan.checkpoint.origin
    if origin is None:
        return
    source = audited_base(build, GGUF_SOURCE)
    source = replace(source, engine=f"{source.engine} from the GGUF file")
    keep_base(build, GGUF_SOURCE, source, cause=None)
    if not source.report.passed:
        miss = source.report.misses[0]
        raise CheckpointError(
            f"the checkpoint made of it is not what llama.cpp reads in it: {miss.check}: promised "
            f"{miss.promised}, found {miss.found}",
            where=str(origin.file),
            next_step=_ORIGINAL,
        )
    if source.differs and source.divergence is not None:
        raise CheckpointError(
            "the checkpoint made of it computes something else than llama.cpp does of the file itself: "
            f"{divergence_text(source.divergence)}",
            where=str(origin.file),
            next_step=_ORIGINAL,
        )


_ORIGINAL = "name the checkpoint that the GGUF was made from"
