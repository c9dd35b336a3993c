"""Our rules for the types of a GGUF's tensors against llama.cpp's own dry run, in real proportions."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.recipe import Calibration, Format, GgufOptions, Numerics, Recipe
from quantgate.pipelines.engines.llamacpp.types.expected import expected_of_converted
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.dry_run import DryRunCall, DryRunFacts, Foretold
from tests.support.llamacpp.gguf_writing import Value
from tests.support.llamacpp.skeletons import Proportions, write_skeleton

pytestmark = pytest.mark.integration

_LATENT: dict[str, Value] = {
    **{"attention.q_lora_rank": 256, "attention.kv_lora_rank": 256, "expert_shared_count": 1},
    **{"attention.key_length_mla": 64, "attention.value_length_mla": 64},
    **{"expert_feed_forward_length": 512, "leading_dense_block_count": 0, "expert_gating_func": 2},
    **{"attention.indexer.head_count": 4, "attention.indexer.key_length": 64},
    **{
        "attention.indexer.top_k": 64,
        "expert_weights_scale": 1.0,
        "rope.scaling.yarn_log_multiplier": 0.1,
    },
}
_LATENT_LAYERS = ("attn_q_a", "attn_q_b", "attn_kv_a_mqa", "attn_k_b", "attn_v_b", "nextn.eh_proj")
_INDEXER = ("attn_q_b", "attn_k", "proj", "q_proj", "k_proj")
_STATES = ("ssm_f_a", "ssm_f_b", "ssm_g_a", "ssm_g_b", "ssm_beta", "ssm_conv1d", "ssm_out")
_CONNECTIONS = ("hc_attn_fn", "hc_ffn_fn", "indexer_compressor_gate", "indexer_compressor_ape")


def _matrices(*names: str) -> dict[str, tuple[int, int]]:
    return {f"{name}.weight": (512, 256) for name in names}


MODELS = {
    "Qwen3-0.6B": Proportions(hidden=1024, inner=3072, layers=28, heads=16, kv_heads=8, ids=151936),
    "Gemma-2-2B": Proportions(hidden=2304, inner=9216, layers=26, heads=8, kv_heads=4, ids=256000),
    "Codestral-22B": Proportions(
        hidden=6144, inner=16384, layers=56, heads=48, kv_heads=8, ids=32768, tied=False
    ),
    "Mistral-Large": Proportions(
        hidden=12288, inner=28672, layers=88, heads=96, kv_heads=8, ids=32768, tied=False
    ),
    "Llama-3-70B": Proportions(
        hidden=8192, inner=28672, layers=80, heads=64, kv_heads=8, ids=128256, tied=False
    ),
    "SmolLM2-135M": Proportions(hidden=576, inner=1536, layers=30, heads=9, kv_heads=3, ids=49152),
    "Mixtral-8x7B": Proportions(
        hidden=4096, inner=14336, layers=32, heads=32, kv_heads=8, ids=32000, tied=False, experts=8
    ),
    "sixteen experts": Proportions(
        hidden=1024, inner=512, layers=17, heads=16, kv_heads=16, ids=3000, tied=True, experts=16
    ),
    "one layer": Proportions(hidden=256, inner=512, layers=1, heads=4, kv_heads=4, ids=300),
    "rows of 80": Proportions(hidden=80, inner=144, layers=3, heads=4, kv_heads=2, ids=300),
    "Falcon-7B": Proportions(
        hidden=4544, inner=18176, layers=32, heads=71, kv_heads=1, ids=65024, architecture="falcon"
    ),
    "Falcon-40B": Proportions(
        hidden=8192,
        inner=32768,
        layers=60,
        heads=128,
        kv_heads=8,
        ids=65024,
        tied=False,
        architecture="falcon",
    ),
    "Jais-2-70B": Proportions(
        hidden=8192, inner=26624, layers=68, heads=64, kv_heads=64, ids=150272, architecture="jais2"
    ),
    "GLM-5-Next": Proportions(
        hidden=256,
        inner=512,
        layers=9,
        heads=4,
        kv_heads=4,
        ids=300,
        tied=False,
        experts=4,
        architecture="glm5-next",
        more=_matrices(
            *_LATENT_LAYERS, *(f"indexer.{name}" for name in _INDEXER), *_STATES, *_CONNECTIONS
        ),
        settings={
            **_LATENT,
            **{"ssm.conv_kernel": 4, "kda.head_dim": 64, "attention.indexer.kpool": 4},
            **{"hyper_connection.count": 4, "hyper_connection.sinkhorn_iterations": 2},
            "hyper_connection.epsilon": 1e-6,
        },
    ),
    "DeepSeek-V3.2": Proportions(
        hidden=256,
        inner=512,
        layers=9,
        heads=4,
        kv_heads=1,
        ids=300,
        experts=4,
        architecture="deepseek32",
        more=_matrices(*_LATENT_LAYERS, *(f"indexer.{name}" for name in _INDEXER)),
        settings=_LATENT,
    ),
    "a wide head": Proportions(
        hidden=512, inner=1024, layers=9, heads=8, kv_heads=1, ids=262144, tied=False
    ),
}


@pytest.fixture(scope="module")
def foretold(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, bool], Foretold]:
    """Ask llama.cpp about everything in one process."""
    folder = tmp_path_factory.mktemp("skeletons")
    files = {name: write_skeleton(shape, folder / f"{name}.gguf") for name, shape in MODELS.items()}
    call = WorkerCall(
        module="tests.support.llamacpp.dry_run",
        request=DryRunCall(files=tuple(files.values()), file_types=tuple(FILE_TYPES)),
        log=folder / "log",
        threads=1,
    )
    facts = run_worker(call, DryRunFacts, ignore_progress).value
    return {(one.file.stem, one.file_type, one.has_imatrix): one for one in facts.foretold}


def recipe(file_type: str, *, has_imatrix: bool) -> Recipe:
    return Recipe(
        name=file_type,
        description="",
        scheme=file_type,
        algorithm="",
        format=Format.GGUF,
        numerics=Numerics(weights="W4", activations="A8", kv_cache="KV16"),
        runtime="llamacpp",
        calibration=Calibration.IMATRIX if has_imatrix else Calibration.NONE,
        calibration_tokens=0,
        options=GgufOptions(file_type=file_type),
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_every_tensor_is_expected_to_be_what_llamacpp_makes_of_it(
    model: str, file_type: str, foretold: dict[tuple[str, str, bool], Foretold]
) -> None:
    for has_imatrix in (False, True):
        one = foretold[model, file_type, has_imatrix]
        header = read_gguf_header(one.file)
        made = recipe(file_type, has_imatrix=has_imatrix)
        assert isinstance(made.options, GgufOptions)
        tensors = expected_of_converted(header.tensors, header.metadata, made, made.options)
        assert {tensor.name: tensor.type for tensor in tensors if tensor.quantized} == one.types


def test_a_skeleton_takes_no_disk(tmp_path: Path) -> None:
    file = write_skeleton(MODELS["Mistral-Large"], tmp_path / "model.gguf")
    assert file.stat().st_size > 200e9
    assert file.stat().st_blocks * 512 < 1e6
