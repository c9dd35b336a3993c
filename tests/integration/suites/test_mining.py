"""Mined items are worth their place: a low-bit variant changes its answers to them more often."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.sources.traffic import read_traffic
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.authoring.draft import write_draft
from quantgate.pipelines.authoring.margins import MarginsMeasure
from quantgate.pipelines.authoring.mine import Mined, MineRequest, MineTools, mine
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import (
    ImatrixCall,
    ImatrixFacts,
    QuantizeCall,
    QuantizeFacts,
)
from quantgate.pipelines.engines.margins import AnswerMargin, MarginsCall, MarginsTally
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import Reply, WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import examine_suite
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

ROWS, TAKE, MAX_TOKENS, CALIBRATION_ROWS = 900, 50, 64, 128
LOW_BIT = "IQ1_M"
"""The example's recipe that shows damage: milder ones change one answer in a thousand on this traffic."""


@pytest.mark.slow
def test_mined_items_break_more_often_under_a_low_bit_variant_than_random_ones(
    tmp_path: Path,
) -> None:
    """Fisher's exact test, one-sided: changed answers among mined rows against all other rows.

    The others' rate is what a random draw from them has on average. Both models answer all rows in the
    same schedule, so that only the weights differ.
    """
    from scipy.stats import fisher_exact

    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    tools = wire(Settings.from_environment())
    mined = mine(
        MineRequest(
            traffic=traffic(tmp_path),
            model=str(EXAMPLE / "checkpoint"),
            take=TAKE,
            max_tokens=MAX_TOKENS,
        ),
        MineTools(
            store=settings.store,
            hub=settings.hub,
            read_traffic=read_traffic,
            margins=MarginsMeasure(
                store=settings.store,
                runtime=tools.runtimes["llamacpp"],
                run_worker=tools.run_worker,
                threads=settings.threads,
            ),
        ),
        ignore_progress,
    )
    assert len(mined.chosen) == TAKE
    assert len(mined.margins) == len(mined.traffic.candidates) == ROWS
    asked = next(settings.store.root.glob("margins/*/prompts.jsonl"))
    base = next(settings.store.root.glob("checkpoints/*/gguf-f16-*/model.gguf"))
    low_bit = answers(quantized(base, asked, tmp_path), asked, tmp_path)

    changed = {name: low_bit[name] != margin.answer for name, margin in mined.margins.items()}
    inside = sum(changed[one.candidate.source] for one in mined.chosen)
    outside = sum(changed.values()) - inside
    table = [[inside, TAKE - inside], [outside, ROWS - TAKE - outside]]
    p = float(fisher_exact(table, alternative="greater").pvalue)
    told = f"{LOW_BIT}: mined {inside}/{TAKE}, others {outside}/{ROWS - TAKE}, p = {p:.2g}"
    print(told)
    assert p < 0.01, told
    check_draft(mined, tmp_path / "draft")


def check_draft(mined: Mined, folder: Path) -> None:
    write_draft(mined, folder)
    examined = examine_suite(folder)
    assert len(examined.drafts) == TAKE
    assert {one.text for one in examined.problems} == {
        "a draft without an expectation: write its `expected`, or take it out"
    }
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert all(row["draft"]["why"] and row["draft"]["answer"] for row in rows)


def traffic(folder: Path) -> Path:
    """The first rows of the example's traffic."""
    lines = (EXAMPLE / "traffic" / "messages.jsonl").read_text(encoding="utf-8").split("\n")
    path = folder / "traffic.jsonl"
    path.write_text("\n".join(lines[:ROWS]) + "\n", encoding="utf-8")
    return path


def quantized(base: Path, asked: Path, folder: Path) -> Path:
    """The base at about two bits, weighed by an importance matrix of some of the rows."""
    tokens, matrix, output = (
        folder / name for name in ("tokens.jsonl", "imatrix.gguf", "low.gguf")
    )
    rows = [json.loads(line) for line in asked.read_text().splitlines()[:CALIBRATION_ROWS]]
    lines = [json.dumps({"id": row["item_id"], "token_ids": row["token_ids"]}) for row in rows]
    tokens.write_text("\n".join(lines) + "\n")
    call(
        "quantgate.pipelines.engines.llamacpp.workers.building.imatrix",
        ImatrixCall(
            model=base,
            calibration=CalibrationTokens(
                file=tokens,
                corpus_label="rows@1",
                corpus_digest=file_digest(tokens),
                sequence_count=len(rows),
                token_count=sum(len(row["token_ids"]) for row in rows),
                max_length_tokens=512,
            ),
            output=matrix,
            threads=1,
        ),
        ImatrixFacts,
        folder,
    )
    call(
        "quantgate.pipelines.engines.llamacpp.workers.building.quantize",
        QuantizeCall(source=base, output=output, file_type=LOW_BIT, imatrix=matrix, threads=1),
        QuantizeFacts,
        folder,
    )
    return output


def answers(model: Path, asked: Path, folder: Path) -> dict[str, str]:
    """Greedy answers by source."""
    margins = folder / "low-margins.jsonl"
    request = MarginsCall(
        model=model,
        prompts=asked,
        margins=margins,
        max_tokens=MAX_TOKENS,
        stop_token_ids=special_token_ids(EXAMPLE / "checkpoint").end,
        slots=16,
        threads=1,
    )
    call("quantgate.pipelines.engines.llamacpp.workers.margins", request, MarginsTally, folder)
    lines = margins.read_text(encoding="utf-8").split("\n")
    found = [from_json(AnswerMargin, json.loads(line)) for line in lines if line]
    return {one.item_id: one.answer for one in found}


def call(module: str, request: object, reply: type[Reply], folder: Path) -> Reply:
    worker = WorkerCall(module=module, request=request, log=folder / "worker.log", threads=1)
    return run_worker(worker, reply, ignore_progress).value
