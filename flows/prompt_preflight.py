"""What is refused of a suite's prompts before anything is built: all of it is rendered while planning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import InputError
from pipelines.domain.server import Server
from pipelines.domain.suite import Suite
from pipelines.evaluation.chat import ChatFormat
from pipelines.evaluation.prompts import suite_prompts
from pipelines.runtimes.openai_dialects import dialect_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A suite, the base it is asked of, and the servers that are asked."""

    suite: Suite
    checkpoint: Checkpoint
    servers: Sequence[Server]


def preflight_prompts(asked: Asked, say: Callable[[str], None]) -> None:
    """Render and tokenize every item; `say` hears what of the checkpoint's files was left aside.

    Raises:
        InputError: naming items on which the chat template fails or that no context holds, or a server that
            cannot be handed template variables.
        CheckpointError: where tokenizer or templates cannot be read.
    """
    suite, checkpoint = asked.suite, asked.checkpoint
    _refuse_variables(suite, asked.servers)
    chat = ChatFormat.of(checkpoint.folder, suite.template_variables)
    for note in chat.notes:
        say(f"{checkpoint.name}: {note}")
    suite_prompts(suite, chat, checkpoint.context_length_tokens)


def _refuse_variables(suite: Suite, servers: Sequence[Server]) -> None:
    given = [item for item in suite.items if not item.raw and suite.variables_of(item)]
    for server in servers:
        if given and server.prompts == "chat" and not dialect_of(server.engine).template_variables:
            names = ", ".join(suite.variables_of(given[0]))
            raise InputError(
                f"{server.engine} cannot be handed template variables ({names}) with chat messages",
                where=f"server {server.name}",
                next_step="let it be sent `prompts: ids` or `prompts: text`, which we render, or take "
                "`template_variables` out",
            )
