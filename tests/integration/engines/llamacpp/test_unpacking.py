"""A GGUF file becomes the checkpoint it was made from: weights bit for bit, tokens, settings and logits."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.engines.llamacpp.unpacking.architectures import ARCHITECTURES
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from tests.support.llamacpp.checkpoints import (
    NASTY_TEXTS,
    described,
    example_checkpoint,
    f16,
    probe,
    real_checkpoint,
)
from tests.support.llamacpp.unpacking import (
    CONFIGURATIONS,
    SCALED,
    logits_of,
    opened,
    smollm2_q4_1,
    weights_of,
    written_model,
)

pytestmark = pytest.mark.integration

_TEXTS = (*NASTY_TEXTS, "Once upon a time, there was a little girl.\nShe had 12 cats.", " a  b ")


def ids(tokenizer: Tokenizer) -> list[list[int]]:
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in _TEXTS]


@pytest.mark.parametrize("checkpoint", [example_checkpoint, real_checkpoint])
def test_a_trained_checkpoint_comes_back_with_its_tokenizer(
    checkpoint: Callable[[], Checkpoint], tmp_path: Path
) -> None:
    """One is byte-level, the other SentencePiece."""
    base = checkpoint()
    source = f16(base)
    made = opened(source, tmp_path / "store").folder
    before, after = weights_of(base.folder), weights_of(made)
    assert before.keys() == after.keys()
    for name, values in before.items():
        numpy.testing.assert_array_equal(after[name].astype(numpy.float16), _half(values), name)
    tokenizer = read_tokenizer(made).tokenizer
    assert ids(tokenizer) == ids(read_tokenizer(base.folder).tokenizer)
    report = probe(source, tokenizer, _TEXTS, tmp_path)
    assert report.loads, report.detail
    assert report.mismatched_texts == ()


def test_no_architecture_of_the_table_goes_without_proof() -> None:
    assert {row.model_type for row in ARCHITECTURES.values()} == set(CONFIGURATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", CONFIGURATIONS)
def test_a_random_model_comes_back_from_its_gguf(model_type: str, tmp_path: Path) -> None:
    _comes_back(written_model(tmp_path / model_type, model_type), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("scaling", SCALED)
def test_scaled_rotation_comes_back(scaling: str, tmp_path: Path) -> None:
    folder = written_model(tmp_path / scaling, "llama", rope_scaling=SCALED[scaling])
    _comes_back(folder, tmp_path)


@pytest.mark.slow
def test_factors_for_long_and_short_contexts_come_back(tmp_path: Path) -> None:
    factors = {
        "rope_type": "longrope",
        "short_factor": [1.0 + number / 16 for number in range(8)],
        "long_factor": [2.0 + number / 4 for number in range(8)],
    }
    folder = written_model(
        tmp_path / "longrope", "phi3", rope_scaling=factors, original_max_position_embeddings=64
    )
    _comes_back(folder, tmp_path)


@pytest.mark.slow
def test_a_known_model_in_four_bits_is_expanded_and_converts_again(tmp_path: Path) -> None:
    """transformers' own reader makes a tokenizer of this file that aborts llama.cpp."""
    source = smollm2_q4_1()
    made = opened(source, tmp_path / "store", "no wider one is published")
    assert str(made.origin) == "expanded from Q4_1 (no wider one is published)"
    tokenizer = read_tokenizer(made.folder).tokenizer
    assert tokenizer.encode("in 1234").tokens == ["in", "Ġ", "1", "2", "3", "4"]
    shapes = {"model.layers.0.mlp.up_proj.weight": (1536, 576)}
    again = f16(described(made.folder, shapes, context=8192))
    for file in (source, again):
        report = probe(file, tokenizer, NASTY_TEXTS, tmp_path)
        assert report.loads, report.detail
        assert report.mismatched_texts == ()


def _comes_back(folder: Path, tmp_path: Path) -> None:
    made = opened(f16(described(folder, {}, context=256)), tmp_path / "store").folder
    before, after = weights_of(folder), weights_of(made)
    assert before.keys() == after.keys()
    for name, values in before.items():  # one is added to norms and taken away: a rounding each
        numpy.testing.assert_allclose(after[name], values, rtol=0, atol=1e-7, err_msg=name)
    numpy.testing.assert_allclose(logits_of(made), logits_of(folder), atol=2e-5)
    assert json.loads((made / "config.json").read_bytes())["dtype"] == "float16"


def _half(values: NDArray[numpy.float32]) -> NDArray[numpy.float16]:
    return values.astype(numpy.float16)
