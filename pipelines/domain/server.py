"""Servers that speak OpenAI's HTTP interface: how one is started or reached, and what it is asked."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.secrets import variable_is_secret
from quantgate.pipelines.domain.values import Digest, JsonObject, digest_of

PromptForm = Literal["ids", "text", "chat"]
"""What stands in a request: our token ids, the text we rendered, or the messages themselves."""

UNKNOWN = "unknown"
GPU = "gpu"
"""Stated of a started server that computes on the GPUs which this machine chose; a plan has their kind."""

_DECIDES_TOKENS = (
    "VLLM_", "SGLANG_", "SGL_", "LLAMA_", "GGML_", "CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "NCCL_", "HIP_",
    "ROCR_", "HSA_", "ONEAPI_", "SYCL_", "TORCH", "PYTORCH_", "TRITON_", "FLASHINFER_", "XFORMERS_", "OMP_",
    "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "DNNL_", "ONEDNN_", "LD_PRELOAD", "TRANSFORMERS_", "LLGUIDANCE_",
)  # fmt: skip
_PLACE_ONLY = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "TRANSFORMERS_CACHE", "TORCH_HOME", "TRITON_CACHE_DIR",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT",
)  # fmt: skip
"""Where it runs and keeps things, and what a run's schedule holds already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server: a `command` that starts it, or the `url` of one that runs already.

    `command` holds {model}, {port} and, as wanted, {threads}, {slots}, {context}, {total_context}, {kv}.
    `engine` is what verdicts call it; `llama-server`, `vllm`, `sglang` and `transformers-serve` are
    spoken to in their own words. `concurrency` is how many requests are under way at once. `model_name`
    is what the server calls a model, with {model} for the path and {folder} for the name of a folder that
    no other model shares; None finds it by path. `api_key_env` names the environment variable with the
    key, which is stored nowhere. `body` is added to every request. `environment` is what it gets beside
    what all programs get: what the build file states, and what this machine's environment had when the
    build was planned. What nobody states (`device`, `compute_dtype`, `kv_cache`) is unknown.
    `memory_gigabytes` is what one that is started takes.
    """

    name: str
    engine: str
    formats: tuple[Format, ...]
    command: tuple[str, ...] = ()
    url: str | None = None
    api_key_env: str | None = None
    concurrency: int = 8
    prompts: PromptForm = "ids"
    model_name: str | None = None
    version: str | None = None
    device: str = UNKNOWN
    compute_dtype: str = UNKNOWN
    kv_cache: str = UNKNOWN
    startup_timeout_seconds: float = 600.0
    answer_timeout_seconds: float = 600.0
    memory_gigabytes: float | None = None
    body: JsonObject = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def sets_kv_cache(self) -> bool:
        """Whether the command tells the server how to hold keys and values."""
        return any("{kv}" in part for part in self.command)

    @property
    def calls_all_alike(self) -> bool:
        """Whether it runs already and calls the base and every variant by one name."""
        name = self.model_name
        return bool(self.url and name and "{model}" not in name and "{folder}" not in name)

    @property
    def settings_digest(self) -> Digest:
        """Identity of what may change tokens: how it is started and what it is asked, not where it is."""
        program = PurePath(self.command[0]).name if self.command else ""
        return digest_of(
            {
                "command": [program, *self.command[1:]],
                "prompts": self.prompts,
                "body": self.body,
                "environment": dict(self.environment),
            }
        )


def decides_tokens(variable: str) -> bool:
    """Whether an environment variable may change what an engine computes, and is no secret."""
    named = variable.startswith(_DECIDES_TOKENS) and variable not in _PLACE_ONLY
    return named and not variable_is_secret(variable)
