"""Whether a suite's items fit a model: rendered by its chat template, counted by its tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.checkpoints.config import read_model_shape
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts, loop_items
from quantgate.pipelines.evaluation.loops.rehearsal import rehearsal_problem
from quantgate.pipelines.evaluation.prompts import item_readings
from quantgate.pipelines.files.reading import at_home, is_folder
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.suites.long_context import LongContextFile, length_tokens, long_slice

_MUCH_TOO_SHORT = 0.85
_NO_TOOLS = CheckpointTools()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """What of a model decides whether items fit it."""

    source: str
    chat: ChatFormat
    context_length_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Prompt tokens of every item that the chat template takes, and why others cannot be asked, by id."""

    prompt_tokens: Mapping[str, int]
    refusals: Mapping[str, str]


def view_model(
    source: str, store: Store, hub: HubSettings, tools: CheckpointTools = _NO_TOOLS
) -> ModelView:
    """Look at a model without its weights; one on the hub is downloaded first.

    Raises:
        InputError, CheckpointError, ServiceError: where there is none, or it is refused.
    """
    folder = at_home(source)
    if not is_folder(folder):
        folder = resolve_checkpoint(source, name=None, store=store, hub=hub, tools=tools).folder
    return ModelView(
        source=source,
        chat=ChatFormat.of(folder),
        context_length_tokens=read_model_shape(folder).context_length_tokens,
    )


def fit(suite: Suite, model: ModelView) -> Fit:
    """Render and count every item."""
    tokens: dict[str, int] = {}
    refusals: dict[str, str] = {}
    for item, reading in item_readings(suite, model.chat):
        if isinstance(reading, InputError):
            refusals[item.id] = reading.what
        else:
            tokens[item.id] = len(reading.token_ids)
    context = model.context_length_tokens
    loops = LoopPrompts(suite=suite, chat=model.chat, context_length_tokens=context)
    for item in loop_items(suite):
        problem = rehearsal_problem(loops, item)
        if problem and item.id not in refusals:
            refusals[item.id] = problem
    return Fit(prompt_tokens=tokens, refusals=refusals)


def overlong(suite: Suite, model_fit: Fit, model: ModelView) -> list[tuple[Item, str]]:
    """Return items that do not fit the context with their answer, and what to say of each."""
    context = model.context_length_tokens
    misfits = []
    for item in suite.items:
        answer = suite.decode_of(item).max_tokens
        asked = model_fit.prompt_tokens.get(item.id, 0)
        if asked + answer > context:
            text = (
                f"{asked:,} tokens and {answer:,} for the answer exceed the model's context "
                f"of {context:,}"
            )
            misfits.append((item, text))
    return misfits


def measured_lengths(suite: Suite, file: LongContextFile, model_fit: Fit) -> list[str]:
    """Say how long stretched items are with this model, where a length is missed by much."""
    sentences = []
    for length in file.lengths:
        items = [item for item in suite.items if long_slice(length) in item.slices]
        sizes = [
            model_fit.prompt_tokens[item.id] for item in items if item.id in model_fit.prompt_tokens
        ]
        if not sizes:
            continue
        room = length_tokens(length) - suite.decode.max_tokens
        if _MUCH_TOO_SHORT * room <= min(sizes) and max(sizes) <= room:
            continue
        characters = sum(len(m.content) for item in items for m in item.messages)
        sentences.append(
            f"{long_slice(length)}: {min(sizes):,} to {max(sizes):,} tokens with this model, where "
            f"{room:,} were meant: name its `tokenizer` in long_context, or set "
            f"characters_per_token: {characters / sum(sizes):.2f}"
        )
    return sentences
