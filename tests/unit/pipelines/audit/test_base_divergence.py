"""The base held against the checkpoint itself: how far to look, what rounding explains, who is refused."""

import io
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from quantgate.flows.build import units
from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.errors import record_error
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.outcome import write_report
from quantgate.flows.build.references import references_finished, run_references
from quantgate.flows.cli.views.plan import show_plan
from quantgate.pipelines.audit.base_divergence import (
    ROUNDING,
    ROUNDING_BFLOAT16,
    Comparison,
    audit_base_divergence,
    divergence_text,
    refusal,
    rounding_of,
    summary,
)
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.audit.divergence_causes import MOST_SUSPECTS, suspects
from quantgate.pipelines.audit.dropped_settings import altering_options, dropped_settings
from quantgate.pipelines.audit.reach import MOST_POSITIONS, Landmark, landmarks, passages, reach
from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError, InputError, WorkerError
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver
from quantgate.pipelines.engines.divergence.base_messages import Passage, PositionDivergences
from quantgate.pipelines.engines.requests import BaseDivergenceRequest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.waivers import parse_waiver
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.unit.flows.build.test_checkpoint_preflight import loading

IDS = range(100, 200)
WAIVER = BaseDivergenceWaiver(
    reason="no prompt of ours reaches the window", who="Ada", expires=date(9999, 12, 31)
)


def compared(kl: list[float], length: int = 64, unreached: tuple[str, ...] = ()) -> BaseDivergence:
    passage = Passage(token_ids=tuple(range(length)), positions=tuple(range(length)))
    found = PositionDivergences(kl=tuple(kl), agreed=tuple(one < 1 for one in kl))
    return summary(
        Comparison(passages=(passage,), found=found, compute_dtype="float32", unreached=unreached),
        ROUNDING,
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"sliding_window": 32}, [Landmark(setting="sliding_window", position=32)]),
        ({"sliding_window": 32, "use_sliding_window": False}, []),
        ({"sliding_window": 32, "layer_types": ["full_attention"] * 2}, []),
        (
            {"sliding_window": 32, "layer_types": ["full_attention", "sliding_attention"]},
            [Landmark(setting="sliding_window", position=32)],
        ),
        ({"sliding_window": None}, []),
        ({"attention_chunk_size": 64}, [Landmark(setting="attention_chunk_size", position=64)]),
        (
            {"rope_parameters": {"full_attention": {"original_max_position_embeddings": 128}}},
            [Landmark(setting="original_max_position_embeddings", position=128)],
        ),
    ],
)
def test_windows_and_scaled_positions_are_read_wherever_the_configuration_names_them(
    config: JsonObject, expected: list[Landmark]
) -> None:
    assert list(landmarks(config)) == expected


@pytest.mark.parametrize(
    ("config", "context", "room", "longest", "unreached"),
    [
        ({}, 2048, 9000, 512, 0),
        ({}, 128, 9000, 128, 0),
        ({"sliding_window": 32}, 2048, 9000, 512, 0),
        ({"sliding_window": 4096}, 32768, 9000, 5120, 0),
        ({"sliding_window": 4096}, 4096, 9000, 512, 0),
        ({"sliding_window": 4096}, 32768, 4000, 512, 1),
        ({"sliding_window": 16384}, 32768, 90000, 512, 1),
        ({"sliding_window": 7000}, 32768, 9000, 8192, 0),
    ],
)
def test_passages_go_a_quarter_beyond_what_begins_late_as_far_as_there_is_room(
    config: JsonObject, context: int, room: int, longest: int, unreached: int
) -> None:
    found = reach(config, context_tokens=context, room_tokens=room)
    assert (found.longest_tokens, len(found.unreached)) == (longest, unreached)


def test_the_long_passage_repeats_itself_and_is_compared_up_to_its_last_position() -> None:
    first, second, long = passages(5120, ordinary_ids=IDS, beginning=(1,))
    assert first.token_ids[0] == second.token_ids[0] == long.token_ids[0] == 1
    assert first.token_ids != second.token_ids
    assert (len(long.token_ids), len(long.positions), long.positions[-1]) == (5120, 256, 5119)
    assert long.token_ids[1:2560] == long.token_ids[2561:5120]
    assert list(long.positions) == sorted(set(long.positions))
    assert first.positions == tuple(range(128))
    assert sum(len(one.positions) for one in (first, second, long)) == MOST_POSITIONS


def test_passages_are_the_same_every_time_and_no_longer_than_the_context() -> None:
    assert passages(100, ordinary_ids=IDS, beginning=()) == passages(
        100, ordinary_ids=IDS, beginning=()
    )
    assert [len(one.token_ids) for one in passages(100, ordinary_ids=IDS, beginning=())] == [100]


def test_rounding_passes() -> None:
    measured = compared([1e-6] * 64)
    assert measured.is_rounding and measured.begins is None
    assert audit_base_divergence(measured).passed


def test_what_begins_behind_a_window_fails_although_the_mean_is_small() -> None:
    measured = compared([1e-7] * 480 + [2e-3] * 32, length=512)
    assert measured.mean_kl < ROUNDING.mean_kl
    assert not measured.is_rounding
    assert (measured.worst.first, measured.worst.last, measured.begins) == (480, 511, 480)


def test_one_position_of_a_stretch_that_rounding_moves_far_is_left_out_and_named() -> None:
    measured = compared([1e-6, 0.4, *[1e-6] * 30, *[1e-6] * 32])
    assert measured.is_rounding and measured.begins is None
    assert measured.mean_kl == pytest.approx(1e-6)
    assert audit_base_divergence(measured).passed
    assert "left out, each alone in its stretch: 0.4 at position 1" in divergence_text(measured)


def test_two_positions_of_a_stretch_are_no_rounding() -> None:
    measured = compared([1e-6, 0.4, 0.4, *[1e-6] * 29, *[1e-6] * 32])
    assert not measured.is_rounding
    assert (measured.begins, measured.outliers) == (1, ())


def test_a_position_that_is_left_out_does_not_say_where_a_setting_begins() -> None:
    measured = compared([1e-6, 0.4, *[1e-6] * 30, *[0.5] * 32])
    assert not measured.is_rounding
    assert measured.begins == 32
    assert [at.position for at in measured.outliers] == [1]


def test_of_fewer_positions_than_a_stretch_has_none_is_left_out() -> None:
    assert not compared([1e-6, 0.4, *[1e-6] * 10], length=12).is_rounding
    behind = compared([*[1e-6] * 32, *[1e-6] * 3, 0.4], length=36)  # a window that ends late
    assert (behind.is_rounding, behind.begins) == (False, 35)


def test_a_single_position_without_numbers_is_no_rounding() -> None:
    assert not compared([1e-6, float("inf"), *[1e-6] * 62]).is_rounding


def test_what_is_small_and_everywhere_fails_too() -> None:
    measured = compared([6e-4] * 64)
    assert measured.worst.mean_kl < ROUNDING.stretch_kl
    assert not measured.is_rounding


def test_logits_that_are_not_finite_are_no_rounding() -> None:
    assert not compared([float("inf")] * 64).is_rounding


def test_bfloat16_on_either_side_explains_more_than_float32() -> None:
    assert rounding_of("float32", "f32") == ROUNDING
    assert rounding_of("bfloat16", "f32") == ROUNDING_BFLOAT16
    assert rounding_of("float32", "bfloat16") == ROUNDING_BFLOAT16


def test_what_was_not_reached_is_said() -> None:
    assert "not reached: sliding_window 16384" in divergence_text(
        compared([0.0] * 64, unreached=("sliding_window 16384",))
    )


def test_a_refusal_says_how_far_from_where_and_why() -> None:
    measured = compared([1e-7] * 32 + [0.5] * 32)
    cause = DivergenceCause(setting="sliding_window 32", left_kl=3e-6)
    assert refusal(measured, "llama.cpp", cause) == (
        "llama.cpp computes something else for this checkpoint (mean KL 0.25 nats a token, 0.5 at "
        "worst, from position 32 on): caused by sliding_window 32 (mean KL 3e-06 with a checkpoint "
        "without it)"
    )


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (DivergenceCause(), "cause unknown; nothing unusual was found in the configuration"),
        (DivergenceCause(looked_at=("a 1", "b 2")), "cause unknown; looked at a 1, b 2"),
        (
            DivergenceCause(looked_at=("a 1",), untried=("attention_bias true",)),
            "cause unknown; looked at a 1; could not be tried without: attention_bias true",
        ),
        (DivergenceCause(suspected=("a 1", "b 2")), "likely a 1 or b 2"),
    ],
)
def test_a_cause_that_was_not_proven_is_not_said_to_be_one(
    cause: DivergenceCause, told: str
) -> None:
    assert str(cause) == told


DEFAULT_LAYERS = [*["sliding_attention"] * 5, "full_attention"]


def rotations(*, full: float, sliding: float) -> JsonObject:
    """Rotations of two kinds of layers, by their bases."""
    return {
        "full_attention": {"rope_type": "default", "rope_theta": full},
        "sliding_attention": {"rope_type": "default", "rope_theta": sliding},
    }


@pytest.mark.parametrize(
    ("architecture", "config", "dropped"),
    [
        ("LlamaForCausalLM", {"hidden_act": "silu"}, ()),
        ("LlamaForCausalLM", {"hidden_act": "gelu"}, ("hidden_act gelu",)),
        (
            "MistralForCausalLM",
            {"sliding_window": 32, "max_position_embeddings": 512},
            ("sliding_window 32",),
        ),
        ("MistralForCausalLM", {"sliding_window": 512, "max_position_embeddings": 512}, ()),
        ("MistralForCausalLM", {"sliding_window": None, "max_position_embeddings": 512}, ()),
        (
            "Qwen2ForCausalLM",
            {"sliding_window": 32, "use_sliding_window": False, "max_position_embeddings": 512},
            (),
        ),
        ("Gemma3ForCausalLM", {"layer_types": DEFAULT_LAYERS, "sliding_window": 32}, ()),
        (
            "Gemma3ForCausalLM",
            {"layer_types": ["full_attention"] * 6},
            ("layer_types other than 5 sliding and one full in turn",),
        ),
        (
            "LagunaForCausalLM",
            {"layer_types": ["full_attention"] * 4, "sliding_window": 32},
            ("layer_types other than one full and 3 sliding in turn",),
        ),
        (
            "LagunaForCausalLM",
            {"layer_types": ["full_attention"] * 4, "sliding_window": None},
            (),
        ),
        (
            "LagunaForCausalLM",
            {"layer_types": ["full_attention", *["sliding_attention"] * 3], "sliding_window": 32},
            (),
        ),
        (
            "MellumForCausalLM",
            {"rope_parameters": rotations(full=500000.0, sliding=10000.0)},
            ("rope_parameters of sliding_attention",),
        ),
        ("MellumForCausalLM", {"rope_parameters": rotations(full=1e4, sliding=1e4)}, ()),
        (
            "Qwen4ExpForCausalLM",
            {"output_gate_type": None, "hidden_act": "silu"},
            ("output_gate_type silu",),
        ),
        ("Qwen4ExpForCausalLM", {"output_gate_type": "sigmoid", "hidden_act": "silu"}, ()),
        ("Gemma2ForCausalLM", {"query_pre_attn_scalar": 64, "head_dim": 64}, ()),
        (
            "Gemma2ForCausalLM",
            {"query_pre_attn_scalar": 144, "head_dim": 64},
            ("query_pre_attn_scalar 144",),
        ),
        (
            "Gemma3ForConditionalGeneration",
            {"model_type": "gemma3_text", "query_pre_attn_scalar": 144, "head_dim": 64},
            ("query_pre_attn_scalar 144",),
        ),
        ("GPT2LMHeadModel", {"model_type": "gpt2", "hidden_act": "gelu_new"}, ()),
        ("SmolLM3ForCausalLM", {"no_rope_layers": [1, 1, 1, 0]}, ()),
        (
            "SmolLM3ForCausalLM",
            {"no_rope_layers": [1, 0, 1, 0], "no_rope_layer_interval": 2},
            ("no_rope_layers (no_rope_layer_interval 2, llama.cpp has 4)",),
        ),
    ],
)
def test_what_llamacpp_has_no_place_for_is_known_from_the_configuration(
    architecture: str, config: JsonObject, dropped: tuple[str, ...]
) -> None:
    assert dropped_settings(config, architecture) == dropped


def settings_of(config: JsonObject, **more: JsonValue) -> dict[str, JsonObject]:
    found = suspects(config, {}, str(more.get("architecture", "LlamaForCausalLM")))
    return {one.setting: one.changes for one in found}


ROTATION: JsonObject = {"rope_theta": 10000.0, "rope_type": "default"}


@pytest.mark.parametrize(
    ("config", "setting", "changes"),
    [
        (
            {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
            "sliding_window 32",
            {"sliding_window": None, "layer_types": ["full_attention", "full_attention"]},
        ),
        (
            {"attn_logit_softcapping": 50.0},
            "attn_logit_softcapping 50",
            {"attn_logit_softcapping": None},
        ),
        (
            {"final_logit_softcapping": 30.0},
            "final_logit_softcapping 30",
            {"final_logit_softcapping": None},
        ),
        ({"clip_qkv": 8.0}, "clip_qkv 8", {"clip_qkv": None}),
        ({"embedding_multiplier": 12.0}, "embedding_multiplier 12", {"embedding_multiplier": 1.0}),
        ({"residual_multiplier": 0.22}, "residual_multiplier 0.22", {"residual_multiplier": 1.0}),
        ({"logits_scaling": 8.0}, "logits_scaling 8", {"logits_scaling": 1.0}),
        ({"logit_scale": 0.0625}, "logit_scale 0.0625", {"logit_scale": 1.0}),
        (
            {"routed_scaling_factor": 2.5},
            "routed_scaling_factor 2.5",
            {"routed_scaling_factor": 1.0},
        ),
        (
            {"attention_multiplier": 0.5, "head_dim": 64},
            "attention_multiplier 0.5",
            {"attention_multiplier": 0.125},
        ),
        (
            {"query_pre_attn_scalar": 144, "hidden_size": 256, "num_attention_heads": 4},
            "query_pre_attn_scalar 144",
            {"query_pre_attn_scalar": 64},
        ),
        (
            {"attn_temperature_tuning": True},
            "attn_temperature_tuning true",
            {"attn_temperature_tuning": False},
        ),
        ({"attention_bias": True}, "attention_bias true", {"attention_bias": False}),
        ({"norm_topk_prob": False}, "norm_topk_prob false", {"norm_topk_prob": True}),
        (
            {"tie_word_embeddings": False},
            "tie_word_embeddings false",
            {"tie_word_embeddings": True},
        ),
        (
            {"rope_parameters": {"rope_theta": 5.0, "rope_type": "yarn", "factor": 4.0}},
            "rope_type yarn",
            {"rope_parameters": {"rope_theta": 5.0, "rope_type": "default"}},
        ),
        (
            {"rope_parameters": {**ROTATION, "rope_type": "yarn", "mscale": 0.7}},
            "mscale 0.7",
            {"rope_parameters": {**ROTATION, "rope_type": "yarn"}},
        ),
        (
            {"rope_parameters": {**ROTATION, "partial_rotary_factor": 0.5}},
            "partial_rotary_factor 0.5",
            {"rope_parameters": {**ROTATION, "partial_rotary_factor": 1.0}},
        ),
        (
            {"rope_parameters": {**ROTATION, "rope_theta": 1e6}},
            "rope_theta 1000000.0",
            {"rope_parameters": ROTATION},
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0}}},
            "rope_type linear",
            {"rope_parameters": {"full_attention": {"rope_type": "default"}}},
        ),
    ],
)
def test_a_suspect_is_left_out_by_what_its_setting_means(
    config: JsonObject, setting: str, changes: JsonObject
) -> None:
    assert settings_of(config)[setting] == changes


def test_what_differs_from_the_defaults_of_its_class_is_suspected_whatever_it_is_called() -> None:
    config: JsonObject = {"new_trick": 3, "layer_types": ["b"], "usual": 1, "bos_token_id": 7}
    defaults: JsonObject = {"new_trick": 1, "layer_types": ["a"], "usual": 1, "bos_token_id": 1}
    found = suspects(config, defaults, "NewForCausalLM")
    assert [(one.setting, one.changes) for one in found] == [
        ('layer_types ["b"]', {"layer_types": ["a"]}),
        ("new_trick 3", {"new_trick": 1}),
    ]


def test_what_is_usual_and_what_computes_nothing_is_no_suspect() -> None:
    usual: JsonObject = {
        "logits_scaling": 1.0, "attn_logit_softcapping": None, "attention_bias": False, "use_cache": True,
        "tie_word_embeddings": True, "attention_dropout": 0.1, "rope_parameters": ROTATION,
        "sliding_window": 32, "use_sliding_window": False, "max_window_layers": 28,
    }  # fmt: skip
    assert suspects(usual, {}, "LlamaForCausalLM") == ()


def test_what_llamacpp_surely_drops_is_tried_first_and_no_more_than_ten_are() -> None:
    config: JsonObject = {f"f{n}_multiplier": 2.0 for n in range(20)}
    config |= {"hidden_act": "gelu"}
    found = suspects(config, {}, "LlamaForCausalLM")
    assert found[0].setting == "hidden_act gelu" and len(found) == MOST_SUSPECTS


def test_what_llamacpp_drops_is_no_cause_elsewhere() -> None:
    gelu: JsonObject = {"hidden_act": "gelu"}
    (suspect,) = suspects(gelu, {}, "LlamaForCausalLM")
    assert suspect.setting == "hidden_act gelu"
    assert suspects(gelu, {}, "LlamaForCausalLM", in_llamacpp=False) == ()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("vllm serve m --dtype bfloat16 --max-model-len 512 --max-num-seqs 8 --enforce-eager", ""),
        ("vllm serve m --hf-overrides {} --hf-overrides.rope_theta=1", "--hf-overrides "
         "--hf-overrides.rope_theta"),
        ("vllm serve m --hf_overrides={}", "--hf_overrides"),
        ("vllm serve m --disable-sliding-window -q fp8", "--disable-sliding-window -q"),
        ("sglang --json-model-override-args {} --quantization fp8", "--json-model-override-args "
         "--quantization"),
        ("llama-server --model m --ctx-size 9 --cache-type-k f16 --offline", ""),
        ("llama-server --rope-freq-base 1e6 --yarn-ext-factor 1 --override-kv a=int:1 --lora-scaled x",
         "--rope-freq-base --yarn-ext-factor --override-kv --lora-scaled"),
    ],
)  # fmt: skip
def test_options_that_make_another_model_are_known_by_name(command: str, named: str) -> None:
    assert altering_options(command.split()) == tuple(named.split())


def served_by(here: LocalBuild, command: str) -> LocalBuild:
    """The same build, whose runtime `llamacpp` is a server started by this command."""
    formats = (Format.GGUF,)
    server = Server(name="llamacpp", engine="vllm", formats=formats, command=tuple(command.split()))
    return replace(here, plan=replace(here.plan, servers=(server,)))


def test_the_options_of_a_servers_command_are_suspected_before_the_checkpoint(
    tmp_path: Path,
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    with pytest.raises(CheckpointError, match="likely --hf-overrides; GGUF recipes") as refused:
        run_references(served_by(here, "vllm serve m --hf-overrides {}"), "llamacpp")
    step = "take --hf-overrides out of the command of server llamacpp; or leave GGUF recipes out"
    assert refused.value.next_step and refused.value.next_step.startswith(step)
    with pytest.raises(CheckpointError) as caught:
        run_references(served_by(here, "vllm serve m"), "llamacpp")
    assert "likely" not in caught.value.what


def test_a_runtime_whose_base_is_another_model_is_refused_before_it_is_asked(
    tmp_path: Path,
) -> None:
    runtime = FakeRuntime(base_kl=0.66)
    here = faked_build(tmp_path, FakeBackend(), runtime)
    with pytest.raises(CheckpointError, match="fake computes something else") as caught:
        run_references(here, "llamacpp")
    assert "mean KL 0.66 nats a token" in caught.value.what
    assert "GGUF recipes are refused" in caught.value.what
    assert caught.value.next_step and "--waive base-divergence" in caught.value.next_step
    assert runtime.asked == []
    (report,) = measured_bases(here.plan, here.settings.store)
    assert report.divergence and report.divergence.mean_kl == pytest.approx(0.66)
    assert len(run_references(here, "transformers")) == 2, "others go on"


def test_a_plan_says_what_was_measured_of_its_base_and_what_is_still_to_be(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    with pytest.raises(CheckpointError):
        run_references(here, "llamacpp")
    told = io.StringIO()
    show_plan(here.plan, here.settings, Console(file=told, width=132))
    assert "in llamacpp: mean KL 0.66 nats a token" in told.getvalue()
    assert ": more than rounding" in told.getvalue()
    fresh = io.StringIO()
    other = replace(here.settings, store=Store(root=tmp_path / "other"))
    show_plan(here.plan, other, Console(file=fresh, width=132))
    assert "in llamacpp: held against the checkpoint itself before anything is built" in (
        fresh.getvalue()
    )


class Dropping(FakeRuntime):
    """A runtime that leaves settings out: it computes the checkpoint without them."""

    def __init__(self, *dropped: str) -> None:
        super().__init__()
        self.dropped = set(dropped)
        self.held_against: list[str] = []

    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        changes = request.checkpoint_logits.changes
        self.held_against.append(changes)
        if "attention_bias" in changes:
            raise CheckpointError("does not load cleanly")
        changed = set(json.loads(changes)) if changes else set()
        count = sum(len(passage.positions) for passage in request.checkpoint_logits.passages)
        kl = 0.3 * len(self.dropped - changed) + 1e-6
        return PositionDivergences(kl=(kl,) * count, agreed=(True,) * count)


def refused(tmp_path: Path, runtime: FakeRuntime, config: JsonObject) -> str:
    here = faked_build(tmp_path, FakeBackend(), runtime)
    tools = replace(here.tools, report_loading=loading(json.dumps(config)))
    here = replace(here, tools=tools)
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(CheckpointError, match="computes something else") as caught:
            run_references(here, "llamacpp")
    (report,) = measured_bases(here.plan, here.settings.store)
    assert report.cause and report.cause in caught.value.what
    return report.cause


def test_the_setting_without_which_checkpoint_and_runtime_are_alike_is_the_cause(
    tmp_path: Path,
) -> None:
    runtime = Dropping("clip_qkv")
    cause = refused(tmp_path, runtime, {"logits_scaling": 8.0, "clip_qkv": 8.0, "mlp_bias": True})
    assert cause == "caused by clip_qkv 8 (mean KL 1e-06 with a checkpoint without it)"
    assert runtime.held_against == ["", '{"logits_scaling": 1.0}', '{"clip_qkv": null}']


def test_settings_that_explain_a_part_each_are_left_out_together(tmp_path: Path) -> None:
    runtime = Dropping("clip_qkv", "logits_scaling")
    cause = refused(tmp_path, runtime, {"logits_scaling": 8.0, "clip_qkv": 8.0, "mlp_bias": True})
    assert cause.startswith("caused by logits_scaling 8 and clip_qkv 8 (mean KL 1e-06")


def test_a_machine_that_fails_over_a_trial_leaves_the_suspects_named_and_nothing_sealed(
    tmp_path: Path,
) -> None:
    class Failing(Dropping):
        def base_divergence(self, *arguments: object) -> PositionDivergences | None:
            if self.held_against:
                raise WorkerError("was killed: short of memory")
            return super().base_divergence(*arguments)  # type: ignore[arg-type]

    config: JsonObject = {"clip_qkv": 8.0, "mlp_bias": True}
    assert refused(tmp_path, Failing("clip_qkv"), config) == "likely clip_qkv 8 or mlp_bias true"
    told = refused(tmp_path, Dropping("clip_qkv"), config)
    assert told.startswith("caused by clip_qkv 8")


def test_a_cause_that_no_setting_is_stays_unknown_and_says_what_was_looked_at(
    tmp_path: Path,
) -> None:
    config: JsonObject = {"logits_scaling": 8.0, "attention_bias": True}
    assert refused(tmp_path, Dropping("elsewhere"), config) == (
        "cause unknown; looked at logits_scaling 8; could not be tried without: attention_bias true"
    )


def test_a_waived_base_judges_and_the_waiver_stays_with_what_it_judged(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    here = replace(here, plan=replace(here.plan, base_divergence_waiver=WAIVER))
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    judged = evidence_of(here, planned)
    assert judged.verdict.decision is Decision.PASS
    assert judged.waiver == (
        "base-divergence: fake: no prompt of ours reaches the window (Ada, until 9999-12-31)"
    )
    assert judged.base_divergence and judged.base_divergence.mean_kl == pytest.approx(0.66)


def test_a_waiver_that_nothing_needs_leaves_no_trace(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    here = replace(here, plan=replace(here.plan, base_divergence_waiver=WAIVER))
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    assert evidence_of(here, planned).waiver == "none"


def test_an_expired_waiver_holds_nothing(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    expired = replace(WAIVER, expires=date.today() - timedelta(days=2))
    here = replace(here, plan=replace(here.plan, base_divergence_waiver=expired))
    with pytest.raises(CheckpointError, match="its waiver expired on"):
        run_references(here, "llamacpp")


def test_runs_of_a_base_that_is_refused_by_now_keep_no_report_from_being_written(
    tmp_path: Path,
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    waived = replace(here, plan=replace(here.plan, base_divergence_waiver=WAIVER))
    run_references(waived, "llamacpp")
    with pytest.raises(CheckpointError) as refused:
        run_references(here, "llamacpp")
    record_error(here, base_in("llamacpp"), "compare", refused.value)
    result = write_report(here)
    assert result.page.is_file()
    assert [row.decision for row in result.rows] == ["error", "error"]
    assert [base.passed for base in result.bases] == [False]


def test_a_runtime_that_tells_no_probabilities_judges_and_the_report_says_so(
    tmp_path: Path,
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=None))
    run_references(here, "llamacpp")
    (report,) = measured_bases(here.plan, here.settings.store)
    assert report.divergence is None
    assert report.finding.found == "not measured: this runtime tells no log probabilities"


def test_a_base_is_held_against_its_checkpoint_once(tmp_path: Path) -> None:
    calls: list[str] = []

    class Counting(FakeRuntime):
        def base_divergence(self, *arguments: object) -> PositionDivergences | None:
            calls.append("measured")
            return super().base_divergence(*arguments)  # type: ignore[arg-type]

    for _ in range(2):
        here = faked_build(tmp_path, FakeBackend(), Counting())
        run_references(here, "llamacpp")
        run_references(here, "llamacpp")
    assert calls == ["measured"]


def test_a_waiver_is_part_of_what_a_plan_is(tmp_path: Path) -> None:
    plan = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan
    assert replace(plan, base_divergence_waiver=WAIVER).key != plan.key


def test_a_waiver_on_the_command_line_needs_all_its_parts() -> None:
    assert parse_waiver(None, reason=None, who=None, until=None) is None
    waiver = parse_waiver("base-divergence", reason="known", who="Ada", until="2099-12-31")
    assert waiver == BaseDivergenceWaiver(reason="known", who="Ada", expires=date(2099, 12, 31))
    for name, reason, until, told in (
        ("base-divergence", None, "2099-12-31", "a waiver needs --reason"),
        ("base-divergence", " ", None, "a waiver needs --reason and --until"),
        ("base-divergence", "known", "soon", "'soon' is no date"),
        ("base-divergence", "known", "2020-01-01", "2020-01-01 is past"),
        ("everything", "known", "2099-12-31", "there is no waiver called 'everything'"),
        (None, "known", "2099-12-31", "says nothing of what is waived"),
    ):
        with pytest.raises(InputError, match=told):
            parse_waiver(name, reason=reason, who="Ada", until=until)


def test_a_build_file_can_waive_by_name(tmp_path: Path) -> None:
    text = (
        "model: ./model\nsuite: ./suite\n"
        "base_divergence_waiver: {reason: known, who: Ada, expires: 2026-12-31}\n"
    )
    (tmp_path / "build.yaml").write_text(text)
    spec = load_build(tmp_path / "build.yaml", BuildOverrides(), ())
    assert spec.base_divergence_waiver == BaseDivergenceWaiver(
        reason="known", who="Ada", expires=date(2026, 12, 31)
    )


def test_a_low_bit_checkpoint_is_not_measured_and_judges(tmp_path: Path) -> None:
    runtime = FakeRuntime(base_kl=0.66)
    here = faked_build(tmp_path, FakeBackend(), runtime)
    stored = StoredQuantization(
        format=Format.COMPRESSED_TENSORS,
        layout="nvfp4-pack-quantized",
        numerics=Numerics(weights="W4f", activations="A4f", kv_cache="KV16"),
        weight_bits=4,
    )
    checkpoint = replace(here.plan.checkpoint, quantization=stored)
    here = replace(here, plan=replace(here.plan, checkpoint=checkpoint))
    run_references(here, "llamacpp")
    (report,) = measured_bases(here.plan, here.settings.store)
    assert report.finding.found.startswith("not measured: the checkpoint is low-bit already")


def test_references_of_a_base_that_was_waived_once_are_none_without_the_waiver(
    tmp_path: Path,
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(base_kl=0.66))
    waived = replace(here, plan=replace(here.plan, base_divergence_waiver=WAIVER))
    run_references(waived, "llamacpp")
    assert references_finished(waived, "llamacpp")
    assert not references_finished(here, "llamacpp")
