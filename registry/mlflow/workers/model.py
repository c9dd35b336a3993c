"""The model that MLflow loads: `mlflow.pyfunc.load_model("models:/NAME@SUITE")`.

MLflow verifies nothing on download, so loading compares every file of the variant with its recorded sha256
first. Then conversations are answered in the runtime that the verdict was made in, one after the other,
sampled as the suite did.

`load_model(…, model_config={…})` takes `context_tokens` (llama.cpp: how long prompt and answer may be
together; 8,192 or what the model was made for), `server` (the address of one that serves the version, with
`/v1` at its end; else QUANTGATE_SERVER) and `server_model` (its name there; else the first that is listed).
A key that the server asks for is read from QUANTGATE_SERVER_KEY.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .conversations import Answerer, conversations_of
from .files import variant_folder, verify

_CONTEXT_TOKENS = 8192


class QuantizedVariant:
    """A variant in its runtime.

    `facts` are what the registry says of it (`scheme`, `format`, `verdict`, `corpus`, digests …), with
    `location` (its folder) and `artifact` (the file or folder that the runtime loaded).
    """

    def __init__(
        self, facts: Mapping[str, str], answerer: Answerer, manifest: Mapping[str, Any]
    ) -> None:
        """Nothing is asked yet."""
        self.facts = facts
        self._answerer = answerer
        self._decode: Mapping[str, Mapping[str, Any]] = manifest["decode"]
        self._suite = str(manifest["suite"])

    def predict(self, model_input: object, params: Mapping[str, Any] | None = None) -> list[str]:
        """Return an answer for each conversation: `[{"messages": [{"role": "user", "content": "…"}]}]`.

        `params={"suite": NAME}` has them sampled as that suite did, where several judged the version; else
        as the newest did that it passes.

        Raises:
            ValueError: it was not judged on that suite, or the runtime refuses a conversation.
        """
        suite = (params or {}).get("suite") or self._suite
        if suite not in self._decode:
            raise ValueError(f"was not judged on {suite!r}, but on {', '.join(self._decode)}")
        decode = self._decode[suite]
        return [self._answerer.answer(each, decode) for each in conversations_of(model_input)]

    def get_raw_model(self) -> "QuantizedVariant":
        """Return this, where MLflow's own wrapper is asked for what it wraps."""
        return self


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> QuantizedVariant:
    """Verify the variant's bytes and load it into its runtime; MLflow calls this with the manifest.

    Raises:
        FileNotFoundError, ValueError: a file is not there, or is not what was registered.
    """
    manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = variant_folder(manifest)
    verify(folder, manifest)
    artifact = folder / manifest["artifact"]
    facts = manifest["facts"] | {"location": str(folder), "artifact": str(artifact)}
    longest = min(_CONTEXT_TOKENS, int(manifest["context_length_tokens"]))
    asked = {name: value for name, value in (model_config or {}).items() if value}
    config = {"context_tokens": longest, **asked}
    return QuantizedVariant(facts, _answerer(artifact, facts, config, manifest["serve"]), manifest)


def _answerer(
    artifact: Path, facts: Mapping[str, str], config: Mapping[str, Any], serve: str
) -> Answerer:
    """Import the one engine that is needed."""
    engine = facts["runtime_engine"]
    if engine == "llama.cpp":
        from .llama import LlamaCppAnswers

        return LlamaCppAnswers(artifact, facts, config)
    if engine == "transformers":
        from .folders import TransformersAnswers

        return TransformersAnswers(artifact, facts)
    from .servers import ServerAnswers

    return ServerAnswers(engine, config, serve)
