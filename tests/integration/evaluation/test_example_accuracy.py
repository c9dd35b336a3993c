"""The bundled checkpoint is as good as its model card says, asked by the real llama.cpp."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.evaluation.runs import SuiteRuns, run_suite
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration


def test_the_base_is_as_accurate_in_every_slice_as_its_card_says(tmp_path: Path) -> None:
    store = Store(root=tmp_path)
    settings = replace(Settings.from_environment({}), store=store)
    tools = wire(Settings.from_environment())
    runtime = tools.runtimes["llamacpp"]
    checkpoint = resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="support-llama", store=store, hub=settings.hub
    )
    suite = load_suite(EXAMPLE / "suite")
    chat = ChatFormat.of(checkpoint.folder)
    suite_runs = SuiteRuns(
        suite=suite,
        prompts=suite_prompts(suite, chat, checkpoint.context_length_tokens),
        stop_token_ids=special_token_ids(checkpoint.folder).end,
        observation_runner=ObservationRunner(store=store, run_worker=tools.run_worker),
    )
    loadable = runtime.reference(checkpoint, tmp_path, tools.run_worker, ignore_progress)
    plan = suite_runs.plan(
        runtime=runtime,
        identity=runtime.identity(None),
        subject="base",
        subject_digest=checkpoint.digests.combined,
        schedule=runtime.schedule(1),
    )
    run = run_suite(
        suite_runs,
        plan,
        runtime=runtime,
        loadable=loadable,
        on_progress=ignore_progress,
    )
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for item, graded in zip(suite.items, run.answers, strict=True):
        for name in ("total", *item.slices):
            asked[name] += 1
            right[name] += graded.grade.correct
    promised = model_card_accuracy()
    assert set(promised) == set(asked)
    for name, (items, share) in promised.items():
        assert items == asked[name]
        found = right[name] / asked[name]
        assert abs(found - share) <= 0.04, f"{name}: the card says {share:.1%}"
        assert found >= (0.95 if name == "total" else 0.90), f"{name}: {found:.1%}"


def model_card_accuracy() -> dict[str, tuple[int, float]]:
    """Items and accuracy of every row of the model card's table."""
    card = (EXAMPLE / "checkpoint" / "README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| [\d.]+ % \|$", card, re.MULTILINE)
    return {name: (int(items), int(right) / int(items)) for name, items, right in rows}
