"""Which group of a compressed-tensors folder means a module: by its name first, then by its class."""

from pathlib import Path

import pytest
from compressed_tensors.quantization import QuantizationConfig

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.transformers.workers.expansion import _scheme

pytestmark = pytest.mark.integration


def declared(*targets: list[str]) -> QuantizationConfig:
    """A group for each list of targets, of two bits more than the one before."""
    groups = {
        f"group_{number}": {"targets": each, "weights": {"num_bits": 4 + 2 * number}}
        for number, each in enumerate(targets)
    }
    return QuantizationConfig.model_validate({"config_groups": groups})


def bits(module: str, config: QuantizationConfig) -> int:
    weights = _scheme(module, config, Path("folder")).weights
    assert weights is not None
    return int(weights.num_bits)


def test_a_module_that_is_named_exactly_is_no_class() -> None:
    config = declared(["lm_head"], ["Linear"])
    assert bits("lm_head", config) == 4
    assert bits("model.layers.0.mlp.up_proj", config) == 6


def test_where_no_group_means_a_module_that_is_said() -> None:
    with pytest.raises(CheckpointError, match=r"no group of config\.json means model\.q"):
        bits("model.q", declared(["lm_head"], ["model.layers.0.mlp.up_proj"], ["re:.*x"]))
