"""What stands in a completion, as any server may write it: OpenAI's fields and what others add to them."""

import json

from pydantic import BaseModel, ValidationError

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.http.reply_json import require_shallow, whole_characters
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.files.validation_wording import sentence

OTHER_SERVER = "see what its log and its documentation say, or judge in another runtime"
_LONGEST_PROBLEM = 400


class ReplyMessage(BaseModel):
    """A chat's answer; thoughts are called `reasoning_content` or, in vLLM since 0.12, `reasoning`."""

    content: str | None = None
    tool_calls: list[JsonObject] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class Choice(BaseModel):
    """One answer: `text` of a completion, `message` of a chat."""

    text: str | None = None
    message: ReplyMessage | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None

    @property
    def has_calls(self) -> bool:
        """Whether the server took tool calls out of the text."""
        return self.message is not None and bool(self.message.tool_calls)

    def said(self) -> str | None:
        """The answer as the model wrote it; None where the reply holds none.

        Tool calls that the server took out of it are put back as JSON; behind a remark each stands in
        `<tool_call>` tags, so that it can be told from the remark.
        """
        if self.message is None:
            return self.text
        calls = [_call(call) for call in self.message.tool_calls or ()]
        if not calls:
            return self.message.content
        if not self.message.content:
            return json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
        tagged = (
            f"<tool_call>{json.dumps(call, ensure_ascii=False)}</tool_call>" for call in calls
        )
        return "\n".join((self.message.content, *tagged))

    def thought(self) -> str:
        """What the server took out of the text as thoughts."""
        holder = self.message or self
        return holder.reasoning_content or holder.reasoning or ""


class Usage(BaseModel):
    """The server's own counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Reply(BaseModel):
    """A whole reply."""

    choices: list[Choice] = []
    model: str | None = None
    usage: Usage | None = None


def parsed_reply(prompt: Prompt, reply: JsonObject) -> Reply:
    """Return the fields of a reply.

    Raises:
        ServiceError: where one of them is of another type than the interface says.
    """
    try:
        return Reply.model_validate(reply)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise broken(prompt, f"the reply is malformed ({place}: {sentence(problem)})") from error


def broken(prompt: Prompt, problem: str) -> ServiceError:
    """Return the error on a reply to a prompt."""
    short = problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[:_LONGEST_PROBLEM]} …"
    return ServiceError(
        short,
        where=f"item {prompt.item_id}",
        next_step=OTHER_SERVER,
    )


def _call(call: JsonObject) -> JsonValue:
    """A tool call as text models write it: arguments are JSON text in OpenAI's form."""
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _arguments(arguments)
    return {"name": function.get("name"), "arguments": arguments}


def _arguments(text: str) -> JsonValue:
    """What is no JSON, or too deep, stays as the model wrote it."""
    try:
        require_shallow(text)
        return whole_characters(json.loads(text))
    except ValueError:
        return text
