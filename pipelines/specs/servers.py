"""Servers in build files: what starts or reaches one, and which recipes are judged in it."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, model_validator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.secrets import option_is_secret, variable_is_secret
from quantgate.pipelines.domain.server import GPU, UNKNOWN, PromptForm, Server
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.specs.loading import Spec, did_you_mean

PLACEHOLDERS = ("model", "port", "threads", "slots", "context", "total_context", "kv")
"""What a command may have filled in."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_NATIVE = ("llamacpp", "transformers")
_OURS = ("model", "prompt", "messages", "max_tokens", "temperature", "seed", "stop", "stream", "n")
_BRACES = re.compile(r"\{([a-z_]+)\}")


class ServerFile(Spec):
    """A server that speaks OpenAI's interface: started for each run by `command`, or running at `url`."""

    engine: str = Field(min_length=1)
    """What verdicts call it; llama-server, vllm, sglang, transformers-serve are spoken to in their words."""
    formats: tuple[Format, ...] = Field(min_length=1)
    """Formats it serves: gguf alone, or any of the folder formats (then full precision too, for the base)."""
    command: str | tuple[str, ...] | None = None
    """Starts it, with {model} and {port}, and {threads} {slots} {context} {total_context} {kv} as wanted."""
    url: HttpUrl | None = None
    """Where one runs already; it has to serve the base and every variant, each under its own name."""
    api_key_env: str | None = None
    """Environment variable that holds the API key; the key itself is stored nowhere."""
    concurrency: int = Field(default=8, ge=1, le=1024)
    """How many requests are under way at once; also {slots}."""
    prompts: PromptForm = "ids"
    """What requests hold: our token ids, the text we rendered, or the chat's messages."""
    model_name: str | None = None
    """What it calls a model: {model} is the file's or folder's path, {folder} the name of a folder that no
    other model shares: a variant's in the store, the base's own."""
    version: str | None = None
    """Its version, where neither `PROGRAM --version` nor the server itself tells it."""
    device: str = UNKNOWN
    """What it computes on: cpu, gpu (those that QUANTGATE_DEVICE chooses), or the accelerator's name."""
    compute_dtype: str = UNKNOWN
    """In what it computes."""
    kv_cache: str = UNKNOWN
    """How it holds keys and values, where the command does not set it by {kv}."""
    startup_timeout_seconds: float = Field(default=600.0, gt=0)
    """How long a started one may take until it answers."""
    answer_timeout_seconds: float = Field(default=600.0, gt=0)
    """How long one answer may take."""
    memory_gigabytes: float | None = Field(default=None, gt=0)
    """What a started one takes of this machine's memory; as many are up side by side as fit."""
    body: JsonObject = Field(default_factory=dict)
    """Fields added to every request."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables that a started one gets; part of its verdicts' identity."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        problems = [*self._command_problems(), *self._model_name_problems(), *self._secrets()]
        if self.device == GPU and self.command is None:
            problems.append("device: state the name of what a running server computes on")
        if self.memory_gigabytes and self.command is None:
            problems.append(
                "memory_gigabytes: a running server takes none of what a build plans with"
            )
        if self.environment and self.command is None:
            problems.append("environment: only a started server gets one")
        if "startup_timeout_seconds" in self.model_fields_set and self.command is None:
            problems.append("startup_timeout_seconds: a running server is not started")
        if Format.GGUF in self.formats and len(set(self.formats)) > 1:
            problems.append("gguf stands alone, as its base is a GGUF too: name two servers")
        if taken := sorted(set(self.body) & set(_OURS)):
            problems.append(f"body: {', '.join(taken)} come from the suite")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _command_problems(self) -> list[str]:
        if (self.command is None) == (self.url is None):
            return ["give either command or url"]
        if self.command is None:
            return []
        try:
            parts = self.arguments()
        except ValueError as error:
            return [f"command: {error}"]
        named = {name for part in parts for name in _BRACES.findall(part)}
        problems = [
            f"command: {{{name}}} is missing" for name in ("model", "port") if name not in named
        ]
        unknown = sorted(named - set(PLACEHOLDERS))
        problems += [f"command: nothing is known as {{{name}}}" for name in unknown]
        return problems

    def _secrets(self) -> list[str]:
        """What is written here is kept in plans and digests: no place for what nobody may read."""
        instead = "name the variable that holds it: api_key_env"
        problems = []
        if self.url and (self.url.username or self.url.password or self.url.query):
            problems.append(f"url holds a user, a password or a query: {instead}")
        problems += [
            f"body: {n} holds a secret: {instead}" for n in self.body if option_is_secret(n)
        ]
        problems += [
            f"environment: {name} holds a secret: set it outside of the build file"
            for name in self.environment
            if variable_is_secret(name)
        ]
        try:
            options = [part.partition("=")[0] for part in self.arguments() if part.startswith("-")]
        except ValueError:
            return problems
        return problems + [
            f"command: {name} holds a secret: set the variable that the server reads instead"
            for name in options
            if option_is_secret(name)
        ]

    def _model_name_problems(self) -> list[str]:
        unknown = set(_BRACES.findall(self.model_name or "")) - {"model", "folder"}
        return [f"model_name: nothing is known as {{{name}}}" for name in sorted(unknown)]

    def arguments(self) -> tuple[str, ...]:
        """Return the command as a list; text is split like a shell does it, nothing is expanded."""
        if self.command is None:
            return ()
        return tuple(shlex.split(self.command)) if isinstance(self.command, str) else self.command

    def server(self, name: str, folder: Path) -> Server:
        """Return the domain object; a program written with a slash is relative to `folder`."""
        arguments = self.arguments()
        if arguments and "/" in arguments[0]:
            arguments = (str(folder / at_home(arguments[0])), *arguments[1:])
        fields = self.model_dump(exclude={"command", "url", "formats"})
        return Server(
            name=name,
            formats=tuple(dict.fromkeys(self.formats)),
            command=arguments,
            url=str(self.url).rstrip("/").removesuffix("/v1") if self.url else None,
            **fields,
        )


def refuse_names(names: Sequence[str]) -> None:
    """Refuse names of servers that cannot be told from runtimes, or make no file name.

    Raises:
        ValueError: naming the first one.
    """
    for name in names:
        if name in _NATIVE:
            raise ValueError(f"servers: '{name}' is a runtime's name already")
        if not NAME.fullmatch(name):
            raise ValueError(f"servers: '{name}' is not made of letters, digits, '.', '_' and '-'")


def judged_in(
    recipes: Sequence[Recipe], servers: Sequence[Server], judge_in: Sequence[str]
) -> tuple[Recipe, ...]:
    """Return recipes as they are judged: in the first named server that serves their format, if any.

    Raises:
        InputError: where a server is unknown or serves none of the formats, or a recipe asks for a KV
            cache that its server's command does not set.
    """
    by_name = {server.name: server for server in servers}
    for name in judge_in:
        if name not in by_name:
            raise InputError(
                f"there is no server '{name}'{did_you_mean(name, list(by_name))}",
                where="judge_in",
                next_step=f"describe it below `servers:`; there {_listed(list(by_name))}",
            )
        formats = by_name[name].formats
        if recipes and not any(recipe.format in formats for recipe in recipes):
            asked = ", ".join(dict.fromkeys(recipe.format.value for recipe in recipes))
            raise InputError(
                f"{name} serves {', '.join(formats)}, and the recipes are {asked}",
                where="judge_in",
                next_step="add a recipe of a format that it serves, or leave the server out",
            )
    return tuple(_in_server(recipe, [by_name[name] for name in judge_in]) for recipe in recipes)


def _in_server(recipe: Recipe, servers: Sequence[Server]) -> Recipe:
    server = next((candidate for candidate in servers if recipe.format in candidate.formats), None)
    if server is None:
        return recipe
    if server.calls_all_alike:
        raise InputError(
            f"model_name calls the base and every variant '{server.model_name}': one model would "
            "answer for all",
            where=f"server {server.name}",
            next_step="write {folder} or {model} into it, and serve each under its own name",
        )
    if recipe.kv_cache != "f16" and not server.sets_kv_cache:
        raise InputError(
            f"recipe {recipe.name} is judged in {server.name}, whose command has no {{kv}} to ask for a "
            f"{recipe.kv_cache} cache",
            next_step="write {kv} where the command names the cache's type, or leave the recipe out",
        )
    return replace(recipe, runtime=server.name)


def _listed(names: Sequence[str]) -> str:
    return f"stand {', '.join(names)}" if names else "is none"
