"""Child process: answers prompts one at a time through `Llama.create_completion`, for comparison."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne:
    """A GGUF, JSONL of prompts, where to write the texts of their answers (a JSON list), how many tokens an
    answer may have, how many threads compute, and whether they sleep or spin while they wait for each other.
    """

    model: Path
    prompts: Path
    texts: Path
    max_tokens: int
    threads: int
    passive: bool


def answer(call: OneByOne, on_progress: OnProgress) -> int:
    """Return how many tokens were generated; nothing is set but what has to be."""
    del on_progress
    os.environ.pop("GOMP_SPINCOUNT", None)
    if not call.passive:
        os.environ.pop("OMP_WAIT_POLICY", None)
    import llama_cpp  # loads OpenMP, which looks into the environment once

    model = llama_cpp.Llama(
        str(call.model),
        n_ctx=0,
        n_threads=call.threads,
        n_threads_batch=call.threads,
        verbose=False,
    )
    generated, texts = 0, []
    for line in call.prompts.read_text().splitlines():
        completion = model.create_completion(
            json.loads(line)["token_ids"], max_tokens=call.max_tokens, temperature=0.0
        )
        generated += completion["usage"]["completion_tokens"]
        texts.append(completion["choices"][0]["text"])
    call.texts.write_text(json.dumps(texts))
    return generated


if __name__ == "__main__":
    serve(answer, OneByOne)
