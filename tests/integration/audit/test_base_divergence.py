"""The real engines on checkpoints that llama.cpp computes otherwise."""

import json
import shutil
from pathlib import Path

import pytest

from quantgate.pipelines.audit.base_divergence import ROUNDING, Comparison, refusal, summary
from quantgate.pipelines.audit.divergence_causes import Trial, cause_of, suspects
from quantgate.pipelines.audit.reach import passages, reach
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence
from quantgate.pipelines.engines.divergence.base_messages import CheckpointLogitsCall
from quantgate.pipelines.engines.requests import BaseDivergenceRequest, Loadable
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import example_checkpoint, f16, runtime
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration


def relabelled(folder: Path, **changes: object) -> JsonObject:
    """Copy the example and change its configuration; the weights stay what they are."""
    shutil.copytree(EXAMPLE / "checkpoint", folder)
    config: JsonObject = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return config


def measured(folder: Path, config: JsonObject, changes: str = "") -> BaseDivergence:
    """Hold the example's GGUF against a checkpoint folder: the converter writes the same file for both."""
    goal = reach(config, context_tokens=512, room_tokens=512)
    compared = passages(goal.longest_tokens, ordinary_ids=range(64, 1024), beginning=())
    request = BaseDivergenceRequest(
        base=Loadable(path=f16(example_checkpoint()), format=Format.GGUF),
        checkpoint_logits=CheckpointLogitsCall(
            checkpoint=folder,
            passages=compared,
            compute_dtype="float32",
            output=folder.parent / f"{folder.name}-logits{len(changes)}",
            changes=changes,
        ),
        threads=1,
        log=folder.parent / "log",
    )
    found = runtime().base_divergence(request, run_worker, ignore_progress)
    assert found is not None
    comparison = Comparison(passages=compared, found=found, compute_dtype="float32", unreached=())
    return summary(comparison, ROUNDING)


def test_a_dropped_window_is_another_model_and_the_example_itself_is_rounding(
    tmp_path: Path,
) -> None:
    plain = measured(tmp_path / "plain", relabelled(tmp_path / "plain"))
    assert plain.is_rounding and plain.mean_kl < 1e-5
    config = relabelled(
        tmp_path / "windowed",
        architectures=["MistralForCausalLM"],
        model_type="mistral",
        sliding_window=40,
    )
    windowed = measured(tmp_path / "windowed", config)
    assert not windowed.is_rounding
    assert windowed.begins is not None and windowed.begins >= 40
    suspect = suspects(config, {}, "MistralForCausalLM")[0]
    left = measured(tmp_path / "windowed", config, json.dumps(suspect.changes))
    told = refusal(windowed, "llama.cpp", cause_of([Trial(suspect=suspect, left=left)]))
    assert "caused by sliding_window 40 (mean KL " in told


def rotation(**settings: object) -> dict[str, object]:
    return {"rope_parameters": {"rope_theta": 10000.0, **settings}}


@pytest.mark.parametrize(
    "dropped",
    [
        {"rms_norm_eps": 1e-4},  # the file has 1e-6
        {"hidden_act": "gelu"},
        rotation(rope_type="default", rope_theta=11000.0),
        rotation(rope_type="linear", factor=1.1),
        rotation(rope_type="yarn", factor=4.0, original_max_position_embeddings=128),
    ],
    ids=["norm epsilon", "activation", "base of the rotation", "scaled rotation", "yarn"],
)
def test_a_setting_that_changes_little_is_no_rounding_either(
    tmp_path: Path, dropped: dict[str, object]
) -> None:
    config = relabelled(tmp_path / "other", **dropped)
    assert not measured(tmp_path / "other", config).is_rounding
