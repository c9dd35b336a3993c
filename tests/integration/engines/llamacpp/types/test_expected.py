"""Sound files of models of other proportions than the example's: none is failed for its bits or types."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.engines.contents import gguf_contents
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.builds.expectations import unexpected
from tests.support.llamacpp.checkpoints import Sizes, backend, random_checkpoint

pytestmark = pytest.mark.integration

MODELS = {
    "mostly embeddings": Sizes(layers=1, feed_forward=256),
    "eight experts": Sizes(layers=1, experts=8, feed_forward=256),
}
RECIPES = ("Q8_0", "Q4_K_M", "Q2_K", "IQ4_XS")


@pytest.fixture(scope="module", params=MODELS)
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("model") / "random"
    return random_checkpoint(folder, MODELS[request.param])


@pytest.mark.parametrize("name", RECIPES)
def test_a_sound_file_is_what_its_recipe_makes_of_these_shapes(
    name: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (recipe,) = find_recipes((name,), Path())
    scratch = checkpoint.folder.parent / "scratch"
    request = BuildRequest(
        checkpoint=checkpoint,
        recipe=recipe,
        calibration=None,
        output=tmp_path,
        scratch=scratch,
        log=tmp_path / "log",
        toolchain=backend().toolchain(threads=1),
    )
    built = backend().build(request, run_worker, ignore_progress)
    base = gguf_contents(next(scratch.glob("gguf-f16-*/model.gguf")))
    assert unexpected(recipe, checkpoint, built, base) == ()
