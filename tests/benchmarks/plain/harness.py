"""What somebody writes who asks a checkpoint with lm-evaluation-harness and without us.

Arguments: checkpoint folder, JSONL of prompts, tokens an answer may have, batch size, file for the texts of
the answers (a JSON list).
"""

import json
import sys
from pathlib import Path

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM


def main() -> None:
    """Load, check that the harness sees the same token ids, answer."""
    checkpoint, prompts, max_tokens, batch, texts = sys.argv[1:]
    rows = [json.loads(line) for line in Path(prompts).read_text().splitlines()]
    model = HFLM(pretrained=checkpoint, device="cpu", dtype="bfloat16", batch_size=int(batch))
    for row in rows:
        seen = model.tok_encode(row["text"], add_special_tokens=False)
        assert seen == row["token_ids"], row["item_id"]
    settings = {"until": [], "max_gen_toks": int(max_tokens), "do_sample": False}
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(row["text"], settings), idx=at)
        for at, row in enumerate(rows)
    ]
    Path(texts).write_text(json.dumps(model.generate_until(requests, disable_tqdm=True)))


if __name__ == "__main__":
    main()
