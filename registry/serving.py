"""The command that serves a registered version: that of a server which reads its format."""

import shlex
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.registry.facts import VersionFacts

_FULL_CACHES = ("f16", "bf16", "auto")


def serving_command(facts: VersionFacts, artifact: Path) -> str:
    """Return a shell command that serves an artifact with the KV cache that its verdict was made with.

    GGUF is served by llama.cpp's `llama-server`, everything else by vLLM.
    """
    kv = facts.runtime.kv_cache
    reduced = kv not in _FULL_CACHES
    if facts.format == Format.GGUF.value:
        options = ["-m", str(artifact)]
        if reduced:  # llama.cpp quantizes the cache of values with flash attention alone
            options += ["--cache-type-k", kv, "--cache-type-v", kv, "--flash-attn", "on"]
        return shlex.join(["llama-server", *options])
    options = ["--kv-cache-dtype", "fp8"] if reduced and kv.startswith("fp8") else []
    return shlex.join(["vllm", "serve", str(artifact), *options])
