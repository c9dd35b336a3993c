"""What serving is foretold to take, held against the peak of a process that serves, on a CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.glancing import glance
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.serving import serving_memory
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import known_to_all
from tests.support.builds.lone_build import build_alone
from tests.support.models.random_llama import Shape, write_random_llama
from tests.support.project import EXAMPLE, PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RECIPE = "Q8_0"
SERVE = PROJECT / "tests" / "benchmarks" / "plain" / "serve.py"
WITHIN = 0.10
PROMPT_TOKENS = 500


def checkpoint_folder(name: str, folder: Path) -> Path:
    if name == "example":
        return EXAMPLE / "checkpoint"
    if name == "llama of 96 million":
        return write_random_llama(folder / "llama", Shape(hidden=768, feed_forward=2048, layers=15))
    listed = known_to_all(wire(Settings.from_environment()).architectures)
    architecture = next(each for each in listed if each.name == name)
    return random_checkpoint_of(architecture, folder, run_worker)


def peak_bytes(model: Path, context_tokens: int, kv_cache: str) -> int:
    command = [sys.executable, str(SERVE), str(model), str(context_tokens), str(PROMPT_TOKENS)]
    finished = subprocess.run(
        [*command, kv_cache], capture_output=True, text=True, check=True, timeout=300
    )
    return int(finished.stdout)


@pytest.mark.parametrize(
    "name",
    [
        "example",
        "llama of 96 million",
        "Gemma3ForCausalLM",  # five layers of six keep a window
        "DeepseekV2ForCausalLM",  # keeps a latent
        "Qwen3MoeForCausalLM",
    ],
)
def test_peaks_are_foretold_within_a_tenth(name: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(name, tmp_path / "models")
    variant = build_alone(str(folder), Store(root=tmp_path / "store"), RECIPE, 0)
    (recipe,) = find_recipes((RECIPE,), Path())
    caches: tuple[tuple[int, KvCacheType], ...] = ((512, "f16"), (8192, "f16"), (8192, "q8_0"))
    for context_tokens, kv_cache in caches:
        foretold = serving_memory(glance(folder), recipe, context_tokens, kv_cache)
        measured = peak_bytes(variant.artifact, context_tokens, kv_cache)
        ratio = foretold.size_bytes / measured
        print(f"{name} {context_tokens} {kv_cache}: {foretold} {measured:,} {ratio:.3f}")
        assert 1 - WITHIN < ratio < 1 + WITHIN


def test_a_cache_of_keys_made_of_a_latent_grows_as_foretold(tmp_path: Path) -> None:
    """MiniCPM3's: the random model of it is so small that what every program takes outweighs all else."""
    folder = checkpoint_folder("MiniCPM3ForCausalLM", tmp_path / "models")
    variant = build_alone(str(folder), Store(root=tmp_path / "store"), RECIPE, 0)
    (recipe,) = find_recipes((RECIPE,), Path())
    checkpoint, sizes = glance(folder), (512, 8192)
    foretold = [serving_memory(checkpoint, recipe, size, "f16").size_bytes for size in sizes]
    measured = [peak_bytes(variant.artifact, size, "f16") for size in sizes]
    ratio = (foretold[1] - foretold[0]) / (measured[1] - measured[0])
    print(f"MiniCPM3ForCausalLM, from 512 to 8192 tokens: {foretold} {measured} {ratio:.3f}")
    assert 1 - WITHIN < ratio < 1 + WITHIN
