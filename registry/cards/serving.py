"""How a published version is served, by each server that reads its format."""

import shlex

from quantgate.pipelines.domain.recipe import Format
from quantgate.registry.facts import VersionFacts

_FULL_CACHES = ("f16", "bf16", "auto")


def serving_section(facts: VersionFacts, repository: str, artifact: str) -> str:
    """Return the card's section on serving, with the KV cache that the verdict was made with."""
    servers = (
        _gguf(facts, repository, artifact)
        if facts.format == Format.GGUF.value
        else _folders(facts, repository, artifact)
    )
    texts = [f"{name}:\n\n```{language}\n{text}\n```" for name, language, text in servers]
    judged = f"The verdict was made in {facts.runtime}."
    return "\n\n".join(("## Serve", judged, *texts))


def _gguf(facts: VersionFacts, repository: str, artifact: str) -> tuple[tuple[str, str, str], ...]:
    kv = facts.runtime.kv_cache
    cache = (
        f" --cache-type-k {kv} --cache-type-v {kv} --flash-attn on"
        if kv not in _FULL_CACHES
        else ""
    )
    file = shlex.quote(artifact)
    return (
        ("llama-server", "sh", f"llama-server --hf-repo {repository} --hf-file {file}{cache}"),
        (
            "Ollama",
            "sh",
            f"printf 'FROM ./%s\\n' {file} > Modelfile\n"
            f"ollama create {repository.split('/')[1]} -f Modelfile",
        ),
        (
            "transformers (expands the weights: another computation than the one that was judged)",
            "python",
            "from transformers import AutoModelForCausalLM\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{repository}", gguf_file="{artifact}")',
        ),
        (
            "vLLM and SGLang",
            "text",
            "read GGUF only through plugins, if at all: not judged in them",
        ),
    )


def _folders(
    facts: VersionFacts, repository: str, artifact: str
) -> tuple[tuple[str, str, str], ...]:
    kv = facts.runtime.kv_cache
    cache = " --kv-cache-dtype fp8" if kv.startswith("fp8") else ""
    pulled = f"hf download {repository} --local-dir model"
    model = f"model/{artifact}" if artifact else "model"
    return (
        ("Fetch", "sh", pulled),
        ("vLLM", "sh", f"vllm serve {shlex.quote(model)}{cache}"),
        ("SGLang", "sh", f"python -m sglang.launch_server --model-path {shlex.quote(model)}"),
        (
            "transformers",
            "python",
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{model}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{model}")',
        ),
        ("llama-server and Ollama", "text", "read GGUF alone: take a GGUF variant"),
    )
