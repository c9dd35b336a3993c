"""The bundled checkpoint is as good as its model card says, asked by the real llama.cpp."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from flows.settings import Settings
from flows.wiring import equipment
from pipelines.build.checkpoints import resolve_checkpoint
from pipelines.evaluation.chat import ChatFormat
from pipelines.evaluation.prompts import suite_prompts
from pipelines.evaluation.runs import Examination, run_suite
from pipelines.files.store import Store
from pipelines.files.tokenizer_folder import special_token_ids
from pipelines.process.calls import ignore_progress
from pipelines.specs.suites import load_suite
from tests.integration.road import EXAMPLE

pytestmark = pytest.mark.integration


def test_the_base_is_right_on_95_of_100_items_and_90_in_every_slice(tmp_path: Path) -> None:
    store = Store(root=tmp_path)
    settings = replace(Settings.from_environment({}), store=store)
    tools = equipment(Settings.from_environment())
    runtime = tools.runtimes["llamacpp"]
    checkpoint = resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="support-llama", store=store, hub=settings.hub
    )
    suite = load_suite(EXAMPLE / "suite")
    chat = ChatFormat.of(checkpoint.folder)
    examination = Examination(
        suite=suite,
        prompts=suite_prompts(suite, chat, checkpoint.context_length_tokens),
        stop_token_ids=special_token_ids(checkpoint.folder).end,
        store=store,
    )
    loadable = runtime.reference(checkpoint, tmp_path, tools.run_worker, ignore_progress)
    plan = examination.plan(
        runtime=runtime,
        identity=runtime.identity(None, ""),
        subject="base",
        subject_digest=checkpoint.digests.combined,
        schedule=runtime.schedule(1),
    )
    run = run_suite(
        examination,
        plan,
        runtime=runtime,
        loadable=loadable,
        run_worker=tools.run_worker,
        on_progress=ignore_progress,
    )
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for item, graded in zip(suite.items, run.answers, strict=True):
        for name in ("total", *item.slices):
            asked[name] += 1
            right[name] += graded.grade.correct
    shares = {name: right[name] / asked[name] for name in asked}
    assert shares["total"] >= 0.95, shares
    assert min(shares.values()) >= 0.90, shares
