"""What somebody writes who uses llm-compressor without us.

Arguments: recipe, checkpoint folder, JSONL of token ids, output folder.
"""

import json
import sys
from pathlib import Path

import torch
from llmcompressor import oneshot
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer

LINEAR = {"targets": ["Linear"], "ignore": ["lm_head"]}
RECIPES: dict[str, list[Modifier]] = {
    "W4A16--gptq": [GPTQModifier(scheme="W4A16", dampening_frac=0.01, **LINEAR)],
    "W4A16--awq": [AWQModifier(), QuantizationModifier(scheme="W4A16", **LINEAR)],
    "FP8_DYNAMIC": [QuantizationModifier(scheme="FP8_DYNAMIC", **LINEAR)],
    "W8A8": [QuantizationModifier(scheme="W8A8", **LINEAR)],
}


def main() -> None:
    """Load, compress, save."""
    recipe, checkpoint, tokens, output = sys.argv[1:]
    if (
        not torch.accelerator.is_available()
    ):  # llm-compressor 0.14 pins memory also where that fails
        IntermediatesCache.pin_memory = lambda *_: None
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    calibrated = recipe in ("W4A16--gptq", "W4A16--awq")
    oneshot(
        model=model,
        dataset=_rows(Path(tokens)) if calibrated else None,
        recipe=RECIPES[recipe],
        processor=tokenizer,
        shuffle_calibration_samples=False,
    )
    model.save_pretrained(output, save_compressed=True)
    tokenizer.save_pretrained(output)


def _rows(file: Path) -> "DataLoader[dict[str, torch.Tensor]]":
    rows = []
    for line in file.read_text().splitlines():
        ids = torch.tensor([json.loads(line)["token_ids"]])
        rows.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return DataLoader(rows, batch_size=None, shuffle=False)  # type: ignore[arg-type]  # a list is a data set


if __name__ == "__main__":
    main()
