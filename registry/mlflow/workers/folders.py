"""Answers of Hugging Face transformers. Only this module imports it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from .conversations import Conversation, opened, warn_of_another_version


class TransformersAnswers:
    """Hugging Face transformers, with the tokenizer and chat template of the variant's own folder."""

    def __init__(self, artifact: Path, facts: Mapping[str, str]) -> None:
        """Load the folder."""
        warn_of_another_version("transformers", facts["runtime_version"].split()[0])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, facts["runtime_compute_dtype"])
        self._tokenizer = AutoTokenizer.from_pretrained(artifact)
        self._model = AutoModelForCausalLM.from_pretrained(artifact, dtype=dtype).to(device).eval()
        ends = self._model.generation_config.eos_token_id
        filler = ends[0] if isinstance(ends, list) else ends
        self._ends = {"eos_token_id": ends, "pad_token_id": filler}

    def answer(self, conversation: Conversation, decode: Mapping[str, Any]) -> str:
        """Return what the model says next."""
        asked = self._asked(conversation, decode["template_variables"])
        torch.manual_seed(decode["seed"])
        drawn = decode["temperature"] > 0
        sampling = {"temperature": decode["temperature"], "top_k": 0, "top_p": 1.0} if drawn else {}
        stops = decode["stop"] or None
        settings = GenerationConfig(
            max_new_tokens=decode["max_tokens"],
            do_sample=drawn,
            stop_strings=stops,
            **sampling,
            **self._ends,
        )
        said = self._model.generate(
            **asked, generation_config=settings, **({"tokenizer": self._tokenizer} if stops else {})
        )
        new = said[0][asked["input_ids"].shape[1] :]
        text = str(self._tokenizer.decode(new, skip_special_tokens=True))
        return text[
            : min([len(text), *(at for stop in decode["stop"] if (at := text.find(stop)) >= 0)])
        ]

    def _asked(self, conversation: Conversation, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token ids of a conversation; a plain language model reads its contents, line by line."""
        if self._tokenizer.chat_template:
            ids = self._tokenizer.apply_chat_template(
                opened(conversation["messages"]),
                tools=conversation["tools"],
                add_generation_prompt=True,
                return_dict=True,
                return_tensors="pt",
                **variables,
            )
        else:
            text = "\n".join(message["content"] for message in conversation["messages"])
            ids = self._tokenizer(text, return_tensors="pt")
        return {name: ids[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
