"""How a corpus spreads over a real mixture of experts, as `corpus check` reads it from the build's matrix."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file, save_file

from quantgate.calibration.checks.check import AskedModel, check_corpus
from quantgate.calibration.checks.findings import use_of
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.suites.load import load_suite
from tests.support.llamacpp.checkpoints import Sizes, backend, random_checkpoint
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

RECIPE = "Q4_K_M--imatrix"
EXPERTS, LAYERS = 5, 2


def with_an_expert_nobody_asks(folder: Path) -> None:
    """Write a mixture whose routers score a, -a, a/2, -a/2 and 0: the best two are never the last."""
    random_checkpoint(folder, Sizes(experts=EXPERTS, layers=LAYERS))
    weights = load_file(folder / "model.safetensors")
    for name, gate in weights.items():
        if name.endswith("block_sparse_moe.gate.weight"):
            scales = numpy.array([[1.0], [-1.0], [0.5], [-0.5], [0.0]])
            weights[name] = (gate[:1].astype(numpy.float32) * scales).astype(gate.dtype)
    save_file(weights, folder / "model.safetensors")


def test_the_expert_that_no_token_reaches_is_named_once_a_matrix_was_made(tmp_path: Path) -> None:
    with_an_expert_nobody_asks(tmp_path / "mixture")
    (tmp_path / "corpus.yaml").write_text(
        f"name: traffic\nsequences: 40\nsources: [{{path: {EXAMPLE / 'traffic' / 'messages.jsonl'}}}]\n"
    )
    settings = replace(Settings.from_environment(), store=Store(root=tmp_path / "store"))
    corpus = build_corpus(load_corpus_spec(tmp_path / "corpus.yaml"), settings.store)
    suite = load_suite(EXAMPLE / "suite")
    model = AskedModel(source=str(tmp_path / "mixture"), recipes=(RECIPE,), hub=settings.hub)

    before = check_corpus(
        corpus, suite, store=settings.store, threads=settings.threads, model=model
    )
    assert before.model is not None
    assert before.model.is_sparse
    assert before.model.experts is None
    assert any("is unknown until an importance matrix" in one.text for one in before.findings)

    base = resolve_checkpoint(model.source, name=None, store=settings.store, hub=settings.hub)
    scratch = settings.store.checkpoint(base.digests.combined)
    (recipe,) = find_recipes((RECIPE,), Path())
    use = use_of(
        corpus, recipe, ChatFormat.of(base.folder),
        context_length_tokens=base.context_length_tokens, scratch=scratch,
    )  # fmt: skip
    output = tmp_path / "variant"
    output.mkdir()
    request = BuildRequest(
        checkpoint=base,
        recipe=recipe,
        calibration=use.tokens,
        output=output,
        scratch=scratch,
        log=tmp_path / "build.log",
        toolchain=backend().toolchain(threads=2),
    )
    backend().build(request, run_worker, ignore_progress)

    after = check_corpus(corpus, suite, store=settings.store, threads=settings.threads, model=model)
    assert after.model is not None
    found = after.model.experts
    assert found is not None
    assert (found.experts, found.unreached) == (EXPERTS * LAYERS, LAYERS)
    assert found.most_starved.endswith(f"expert {EXPERTS - 1}")
    assert any("2 of 10 experts never get a token" in one.text for one in after.findings)
