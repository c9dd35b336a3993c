"""Results of promptfoo: the file that `promptfoo eval -o results.json` writes, schema versions 2 and 3."""

from collections import Counter
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue, digest_of
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun
from quantgate.pipelines.evaluation.logs.lines import names_at, object_at, texts_at

TOOL = "promptfoo"


def is_promptfoo(document: JsonObject) -> bool:
    """Whether a document is a file of promptfoo's results."""
    return isinstance(object_at(document, "results").get("results"), list)


def read_promptfoo(document: JsonObject, path: Path, provider: str) -> LoggedRun:
    """Read the answers of one provider, by its id or label; of the only one where none is named.

    Raises:
        InputError: there is no such provider, or several and none is named.
    """
    rows = object_at(document, "results")["results"]
    results = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    names = list(dict.fromkeys(_provider(row) for row in results))
    chosen = provider or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        listed = ", ".join(names) or "none"
        problem = f"no provider is called '{provider}'" if provider else "holds several providers"
        raise InputError(
            f"{problem}: there are {listed}",
            where=str(path),
            next_step=f"name one of them: {path}#PROVIDER",
        )
    asked = [row for row in results if _provider(row) == chosen]
    prompts = Counter(str(row.get("promptIdx", 0)) for row in asked)
    return LoggedRun(
        tool=TOOL,
        model=chosen,
        grader="its assertions",
        answers=tuple(_answer(row, several_prompts=len(prompts) > 1) for row in asked),
        source=path,
    )


def _provider(row: JsonObject) -> str:
    provider = row.get("provider")
    if isinstance(provider, dict):
        return str(provider.get("label") or provider.get("id") or "")
    return str(provider or "")


def _answer(row: JsonObject, *, several_prompts: bool) -> LoggedAnswer:
    case, prompt = object_at(row, "testCase"), object_at(row, "prompt")
    output: JsonValue = object_at(row, "response").get("output")
    success = row.get("success")
    prompt_name = f":{row.get('promptIdx', 0)}" if several_prompts else ""
    metadata = object_at(case, "metadata")
    return LoggedAnswer(
        id=f"{_name(row, case)}{prompt_name}",
        text=output if isinstance(output, str) else texts_at(output) or str(output or ""),
        asked=str(prompt.get("raw", "")),
        correct=success if isinstance(success, bool) else None,
        reason=str(object_at(row, "gradingResult").get("reason") or ""),
        slices=names_at(metadata.get("slices") or metadata.get("category")),
    )


def _name(row: JsonObject, case: JsonObject) -> str:
    """A test's own description, its number, else what its variables are."""
    if isinstance(case.get("description"), str) and case["description"]:
        return str(case["description"])
    number = row.get("testIdx")
    return str(number) if number is not None else digest_of(object_at(row, "vars"))[:12]
