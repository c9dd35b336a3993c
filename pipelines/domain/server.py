"""Servers that speak OpenAI's HTTP interface: how one is started or reached, and what it is asked."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from pipelines.domain.recipe import Format
from pipelines.domain.values import Digest, JsonObject, digest_of

PromptForm = Literal["ids", "text", "chat"]
"""What stands in a request: our token ids, the text we rendered, or the messages themselves."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server: a `command` that starts it, or the `url` of one that runs already.

    `command` holds {model}, {port} and, as wanted, {threads}, {slots}, {context}, {total_context}, {kv}.
    `engine` is what verdicts call it; `llama-server`, `vllm` and `sglang` are also spoken to in their
    own extensions. `concurrency` is how many requests are under way at once. `model_name` is what the
    server calls a model, with {model} for the path and {folder} for its folder's name; None finds it by
    path. `api_key_env` names the environment variable with the key, which is stored nowhere. `body` is
    added to every request. What nobody states (`device`, `compute_dtype`, `kv_cache`) is unknown.
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
    body: JsonObject = field(default_factory=dict)

    @property
    def sets_kv_cache(self) -> bool:
        """Whether the command tells the server how to hold keys and values."""
        return any("{kv}" in part for part in self.command)

    @property
    def settings_digest(self) -> Digest:
        """Identity of what may change tokens: how it is started and what it is asked, not where it is."""
        program = PurePath(self.command[0]).name if self.command else ""
        return digest_of(
            {
                "command": [program, *self.command[1:]],
                "prompts": self.prompts,
                "body": self.body,
            }
        )
