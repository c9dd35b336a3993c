"""Our side: variants built as a build does it, in a store of their own."""

import json
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.engines.backend import Backend, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.backend import LlamaCppBackend
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import PlannedVariant, build_request, build_variant
from tests.support.project import EXAMPLE

THREADS = 2


def llamacpp() -> LlamaCppBackend:
    """Return the backend with the converter that set-up unpacked."""
    return LlamaCppBackend(converter=Settings.from_environment().converter)


def build(
    checkpoint: Checkpoint,
    recipe: str,
    backend: Backend,
    store: Store,
    calibration: CalibrationTokens | None = None,
) -> Variant:
    """Build a recipe of the catalogue and seal it."""
    (asked,) = find_recipes((recipe,), Path())
    planned = PlannedVariant(
        identifier=f"{checkpoint.name}--{recipe}",
        recipe=asked,
        base=checkpoint.digests,
        corpus_label=calibration.corpus_label if calibration else None,
        corpus_digest=calibration.corpus_digest if calibration else None,
        toolchain=backend.toolchain(THREADS),
    )
    request = build_request(planned, checkpoint, calibration, store)
    return build_variant(planned, request, backend, run_worker, ignore_progress)


def traffic() -> str:
    """Return the example's messages as one text."""
    rows = (EXAMPLE / "traffic" / "messages.jsonl").read_text().splitlines()
    return "\n".join(m["content"] for row in rows for m in json.loads(row)["messages"])


def windows(checkpoint: Checkpoint, count: int, length: int, folder: Path) -> CalibrationTokens:
    """Return the first tokens of the traffic, cut into windows of one length."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))
    ids = tokenizer.encode(traffic(), add_special_tokens=False).ids
    rows = [
        {"id": str(at), "token_ids": ids[at * length : (at + 1) * length]} for at in range(count)
    ]
    assert len(rows[-1]["token_ids"]) == length, "the traffic is too short for so many windows"
    file = folder / f"windows-{count}x{length}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CalibrationTokens(
        file=file,
        corpus_label="traffic@1",
        corpus_digest=Digest(file_digest(file)),
        sequence_count=count,
        token_count=count * length,
        max_length_tokens=length,
    )
