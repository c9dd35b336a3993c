"""Serves a GGUF as llama-server holds it, one request at a time, and prints the peak of its memory in bytes.

`python serve.py MODEL CONTEXT_TOKENS PROMPT_TOKENS KV_TYPE`
"""

import sys
from pathlib import Path

import llama_cpp

TYPES = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}
BATCH, THREADS = 512, 2


def peak_bytes() -> int:
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main(model_file: str, context_tokens: int, prompt_tokens: int, kv_type: str) -> None:
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        model_file.encode(), llama_cpp.llama_model_default_params()
    )
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = context_tokens
    parameters.n_batch = parameters.n_ubatch = BATCH
    parameters.n_threads = parameters.n_threads_batch = THREADS
    parameters.swa_full = False
    parameters.type_k = parameters.type_v = TYPES[kv_type]
    context = llama_cpp.llama_init_from_model(model, parameters)
    ids = [1 + place % 100 for place in range(prompt_tokens)]
    for start in range(0, prompt_tokens, BATCH):
        part = ids[start : start + BATCH]
        tokens = (llama_cpp.llama_token * len(part))(*part)
        assert (
            llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(part))) == 0
        )
    print(peak_bytes())


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
