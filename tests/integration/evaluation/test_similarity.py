"""Embeddings by a real checkpoint, a decoder and a small random encoder."""

from pathlib import Path

import pytest
import torch

from quantgate.pipelines.domain.errors import CheckpointError
from tests.support.fakes import write_tokenizer
from tests.support.grading.items import expecting
from tests.support.grading.observing import grades, observed_grader
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

CHECKPOINT = EXAMPLE / "checkpoint"


def encoder(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    folder.mkdir()
    write_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=257,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("which", ["decoder", "encoder"])
def test_a_text_is_nearest_to_itself(which: str, tmp_path: Path) -> None:
    folder = CHECKPOINT if which == "decoder" else encoder(tmp_path / "encoder")
    item = expecting("Where is my order 1234?")
    texts = ["Where is my order 1234?", "Where is my order 1235?", "zzzzzzzzzzzzzz", "long " * 500]

    done = grades(
        observed_grader("similarity", model=str(folder), threshold=0.999),
        [(item, text) for text in texts],
        tmp_path / "store",
    )

    assert [grade.correct for grade in done] == [True, False, False, False]
    assert done[0].score == pytest.approx(1.0, abs=1e-5)
    assert done[0].score > done[1].score > done[2].score


def test_a_folder_that_lacks_weights_is_refused_and_not_filled_with_random_ones(
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file, save_file

    folder = encoder(tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.0.output.dense.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(CheckpointError, match=r"encoder.layer.0.output.dense.weight"):
        grades(
            observed_grader("similarity", model=str(folder)),
            [(expecting("a"), "a")],
            tmp_path / "s",
        )
