"""What is said of a corpus's effective use before a build is what each real tool then reports of itself."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from quantgate.calibration.checks.effective_use import EffectiveUse
from quantgate.calibration.checks.findings import use_of
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.variant import BuildFacts
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.archived.environments import archived
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

WANTED = 3000
ROWS = 60
Build = Callable[[str], tuple[EffectiveUse, BuildFacts]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(root=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def base(store: Store) -> Checkpoint:
    return resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="support-llama", store=store, hub=HubSettings()
    )


@pytest.fixture(scope="module")
def corpus(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Honest traffic, and what does not fit: three rows longer than the context, three of one token."""
    folder = tmp_path_factory.mktemp("corpus")
    traffic = (EXAMPLE / "traffic" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    odd = [json.dumps({"text": f"{word} " * 700}) for word in ("order", "parcel", "invoice")]
    odd += [json.dumps({"text": letter}) for letter in "abc"]
    (folder / "rows.jsonl").write_text("\n".join([*traffic[: ROWS - len(odd)], *odd]) + "\n")
    (folder / "corpus.yaml").write_text(
        f"name: odd\nsequences: {ROWS}\nsources: [{{path: rows.jsonl}}]\n"
    )
    return build_corpus(load_corpus_spec(folder / "corpus.yaml"), store)


@pytest.fixture(scope="module")
def build(
    store: Store, base: Checkpoint, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> Build:
    """What was said of a recipe, and what its tool reports: each built once."""
    folder = tmp_path_factory.mktemp("variants")
    settings = replace(Settings.from_environment(), store=store)

    @cache
    def built(name: str) -> tuple[EffectiveUse, BuildFacts]:
        (found,) = find_recipes((name,), Path())
        recipe = replace(found, calibration_tokens=WANTED)
        if recipe.options.backend in ("autoawq", "autogptq"):
            archived()
        said = use_of(
            corpus, recipe, ChatFormat.of(base.folder),
            context_length_tokens=base.context_length_tokens, scratch=folder,
        )  # fmt: skip
        backend = wire(settings).backends[recipe.options.backend]
        output = folder / name
        output.mkdir()
        request = BuildRequest(
            checkpoint=base,
            recipe=recipe,
            calibration=said.tokens,
            output=output,
            scratch=folder,
            log=folder / f"{name}.log",
            toolchain=backend.toolchain(threads=1),
        )
        return said.use, backend.build(request, run_worker, ignore_progress).facts

    return built


@pytest.mark.parametrize(
    "name",
    [
        "Q4_K_M--imatrix",
        "W4A16--gptq",
        pytest.param("AWQ--autoawq", marks=pytest.mark.slow),
        pytest.param("NVFP4", marks=pytest.mark.slow),
        pytest.param("GPTQ--autogptq", marks=pytest.mark.slow),
    ],
)
def test_sequences_and_tokens_are_those_that_the_tool_reports(name: str, build: Build) -> None:
    said, reported = build(name)
    assert (said.sequences, said.tokens) == (
        reported.calibration_sequences,
        reported.calibration_tokens,
    )
    assert said.tokens > 0


def test_cut_and_left_out_sequences_were_among_them(build: Build, base: Checkpoint) -> None:
    supply = build("Q4_K_M--imatrix")[0].supply
    assert supply.longest_tokens == base.context_length_tokens
    assert supply.truncated > 0
    assert supply.too_short > 0


@pytest.mark.slow
def test_autoawq_drops_the_tail_that_the_others_take(build: Build) -> None:
    said, _ = build("AWQ--autoawq")
    assert 0 < said.dropped_tokens < said.supply.longest_tokens
    assert build("NVFP4")[0].dropped_tokens == 0
