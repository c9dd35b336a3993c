"""What somebody writes who asks vLLM without us; runs under the interpreter of its environment.

Arguments: a variant's folder, JSONL of prompts, and where a JSON file of texts and seconds is written.
"""

import json
import sys
import time
from pathlib import Path

from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # of another environment

_MAX_TOKENS = 64


def main() -> None:
    """Load, ask all at once, write."""
    folder, prompts, output = sys.argv[1:]
    rows = [json.loads(line) for line in Path(prompts).read_text().splitlines()]
    model = LLM(model=folder, dtype="bfloat16", enforce_eager=True, max_num_seqs=32)
    settings = [
        SamplingParams(temperature=0.0, max_tokens=row["max_tokens"] or _MAX_TOKENS) for row in rows
    ]
    began = time.perf_counter()
    said = model.generate([{"prompt_token_ids": row["token_ids"]} for row in rows], settings)
    seconds = time.perf_counter() - began
    texts = {row["item_id"]: answer.outputs[0].text for row, answer in zip(rows, said, strict=True)}
    Path(output).write_text(json.dumps({"seconds": round(seconds, 2), "texts": texts}))


if __name__ == "__main__":
    main()
