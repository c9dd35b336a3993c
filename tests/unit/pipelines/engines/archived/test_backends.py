"""The parent's half of the archived packages' backends: what they refuse, ask of workers, and report."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.domain.recipe import AutoAwqOptions, AutoGptqOptions, Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import QuantizedTensor, Toolchain
from quantgate.pipelines.engines.archived.autoawq import AUTOAWQ
from quantgate.pipelines.engines.archived.autogptq import AUTOGPTQ
from quantgate.pipelines.engines.archived.backend import ArchivedBackend
from quantgate.pipelines.engines.backend import (
    Backend,
    BuildRequest,
    CalibrationTokens,
    WrittenFolder,
)
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from quantgate.pipelines.process.environments import LockedEnvironment
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import fake_checkpoint

UP = "model.layers.0.mlp.up_proj.weight"
KEY = "model.layers.0.self_attn.k_proj.weight"
AWQ, GPTQ = find_recipes(("AWQ--autoawq", "GPTQ--autogptq"), Path())
VERSIONS = {"autoawq": "0.2.9", "auto-gptq": "0.7.1", "transformers": "4.51.3", "torch": "2.13.0"}


@dataclass
class FakeWorker:
    """Replies that nothing was quantized."""

    calls: list[WorkerCall] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
    ) -> WorkerReply[Any]:
        """Remember the call."""
        self.calls.append(call)
        tensor = QuantizedTensor(
            name=UP, type="F16", parameter_count=8192, bits_per_weight=16.0, quantized=False
        )
        facts = WrittenFolder(
            tensors=(tensor,),
            calibration_sequences=2,
            calibration_tokens=20,
            nonfinite_tensors=(),
            warnings=("careful",),
        )
        return WorkerReply(value=facts, seconds=1.5, peak_memory_bytes=7)


@pytest.fixture
def environment(tmp_path: Path) -> LockedEnvironment:
    """An environment as the set-up script leaves it."""
    lock = tmp_path / "archived.lock"
    lock.write_text("a lock\n")
    made = LockedEnvironment(
        name="archived", lock=lock, tool_cache=tmp_path / "cache", command="make setup-archived"
    )
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    for name, version in (VERSIONS | {"accelerate": "1.8.1"}).items():
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        package = made.folder / "lib" / "python3.11" / "site-packages" / folder
        package.mkdir(parents=True)
        (package / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    return made


def _checkpoint(folder: Path, **shapes: tuple[int, int]) -> Checkpoint:
    checkpoint = fake_checkpoint(folder / "base")
    config = {"model_type": "llama", "rope_parameters": {"rope_theta": 10000.0}}
    (checkpoint.folder / "config.json").write_text(json.dumps(config))
    sizes = {UP: shapes.get("up", (64, 128)), KEY: shapes.get("key", (32, 128))}
    sizes["model.embed_tokens.weight"] = (257, 100)
    tensors = (TensorFacts(name=n, shape=s, dtype="F16") for n, s in sizes.items())
    return replace(checkpoint, tensors=tuple(tensors))


def _request(folder: Path, recipe: Recipe, *, calibrated: bool = True) -> BuildRequest:
    tokens = CalibrationTokens(
        file=folder / "tokens.jsonl",
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=2,
        token_count=20,
        max_length_tokens=10,
    )
    return BuildRequest(
        checkpoint=_checkpoint(folder),
        recipe=recipe,
        calibration=tokens if calibrated else None,
        output=folder / "output",
        scratch=folder / "scratch",
        log=folder / "log",
        toolchain=Toolchain(tools=(), device="cpu", threads=2),
    )


Make = Callable[[LockedEnvironment], Backend]


def _awq(environment: LockedEnvironment) -> Backend:
    return ArchivedBackend(package=AUTOAWQ, environment=environment)


def _gptq(environment: LockedEnvironment) -> Backend:
    return ArchivedBackend(package=AUTOGPTQ, environment=environment)


BOTH = pytest.mark.parametrize(("make", "recipe"), [(_awq, AWQ), (_gptq, GPTQ)])


@BOTH
def test_the_toolchain_names_packages_lock_and_our_own_worker(
    environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    toolchain = make(environment).toolchain(threads=2)
    versions = {tool.name: tool.version for tool in toolchain.tools}
    assert make(environment).missing() is None
    assert versions.items() >= {"transformers": "4.51.3", "torch": "2.13.0"}.items()
    assert versions["quantgate-archived-lock"] == environment.digest
    assert any(name.endswith("-worker") for name in versions)
    assert toolchain.device == "cpu"
    assert toolchain.digest != make(environment).toolchain(threads=1).digest


@BOTH
def test_the_worker_runs_under_the_archived_interpreter_and_gets_the_request_itself(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    worker, request = FakeWorker(), _request(tmp_path, recipe)
    make(environment).build(request, worker, ignore_progress)
    (call,) = worker.calls
    assert (call.python, call.threads) == (environment.python, 2)
    assert call.request == request


@BOTH
def test_every_matrix_of_the_layers_is_promised_whatever_the_worker_says(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    facts = make(environment).build(_request(tmp_path, recipe), FakeWorker(), ignore_progress).facts
    assert facts.promised == facts.missed == (UP, KEY)
    assert (facts.calibration_sequences, facts.calibration_tokens) == (2, 20)
    assert (facts.warnings, facts.seconds, facts.peak_memory_bytes) == (("careful",), 1.5, 7)


@BOTH
def test_a_build_without_the_environment_is_refused_with_the_command(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    gone, worker = replace(environment, tool_cache=tmp_path / "elsewhere"), FakeWorker()
    with pytest.raises(ToolchainError, match="make setup-archived"):
        make(gone).build(_request(tmp_path, recipe), worker, ignore_progress)
    assert worker.calls == []


@BOTH
def test_a_build_without_a_corpus_is_refused_before_any_worker(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    worker = FakeWorker()
    with pytest.raises(InputError, match="needs a calibration corpus"):
        request = _request(tmp_path, recipe, calibrated=False)
        make(environment).build(request, worker, ignore_progress)
    assert worker.calls == []


@BOTH
def test_groups_that_do_not_divide_the_inputs_are_refused_with_what_fits(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    (misfit,) = make(environment).misfits(_checkpoint(tmp_path, up=(64, 192)), recipe)
    assert f"{UP} has 192 inputs (shape 64 x 192)" in misfit
    assert "group size 64 fits" in misfit


@BOTH
def test_an_architecture_that_the_package_does_not_know_is_refused(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    stranger = replace(_checkpoint(tmp_path), architecture="GraniteForCausalLM")
    (misfit,) = make(environment).misfits(stranger, recipe)
    assert "cannot take GraniteForCausalLM" in misfit
    assert "llm-compressor" in misfit


@BOTH
def test_a_configuration_without_an_equal_is_a_misfit_at_plan_time(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    request = _request(tmp_path, recipe)
    rope = {"rope_theta": 1.0, "rope_type": "longrope"}
    config = request.checkpoint.folder / "config.json"
    config.write_text(json.dumps({"model_type": "llama", "rope_parameters": rope}))
    (misfit,) = make(environment).misfits(request.checkpoint, recipe)
    assert "`rope_parameters.rope_type` (longrope)" in misfit
    with pytest.raises(CheckpointError, match="longrope"):
        make(environment).build(request, FakeWorker(), ignore_progress)


def test_autoawq_clips_64_outputs_together_but_not_of_queries_and_keys(
    tmp_path: Path, environment: LockedEnvironment
) -> None:
    backend = ArchivedBackend(package=AUTOAWQ, environment=environment)
    assert backend.misfits(_checkpoint(tmp_path, key=(32, 128)), AWQ) == ()
    (misfit,) = backend.misfits(_checkpoint(tmp_path, up=(96, 128)), AWQ)
    assert f"{UP} has 96 outputs (shape 96 x 128), not a multiple of 64" in misfit


def test_auto_gptq_packs_zero_points_of_32_outputs_together(
    tmp_path: Path, environment: LockedEnvironment
) -> None:
    backend = ArchivedBackend(package=AUTOGPTQ, environment=environment)
    assert backend.misfits(_checkpoint(tmp_path, up=(96, 128)), GPTQ) == ()
    (misfit,) = backend.misfits(_checkpoint(tmp_path, key=(40, 128)), GPTQ)
    assert f"{KEY} has 40 outputs" in misfit


@pytest.mark.parametrize(
    ("make", "recipe", "group_size"),
    [
        (_awq, replace(AWQ, options=AutoAwqOptions(group_size=32)), 32),
        (_gptq, replace(GPTQ, options=AutoGptqOptions(group_size=64)), 64),
    ],
)
def test_a_recipe_of_the_users_own_may_have_other_groups(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe, group_size: int
) -> None:
    checkpoint = _checkpoint(tmp_path, up=(64, group_size * 3))
    assert make(environment).misfits(checkpoint, recipe) == ()


@pytest.mark.parametrize(("make", "recipe"), [(_awq, GPTQ), (_gptq, AWQ)])
def test_a_recipe_for_the_other_package_is_refused(
    tmp_path: Path, environment: LockedEnvironment, make: Make, recipe: Recipe
) -> None:
    with pytest.raises(InputError, match="is for auto"):
        make(environment).misfits(_checkpoint(tmp_path), recipe)
