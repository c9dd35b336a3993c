"""Child process: writes the documents of lm-evaluation-harness tasks as items of a suite."""

import json
from typing import Any

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.lm_eval_messages import ExportCall, Exported, LmEvalTask
from quantgate.pipelines.evaluation.workers.lm_eval_tasks import load_tasks
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_ANSWER_TOKENS = 256
"""What the harness itself allows where a task does not say."""


def export(call: ExportCall, on_progress: OnProgress) -> Exported:
    """Write one item a document, with the very context and stops that the harness would send.

    Raises:
        InputError: where the task cannot be used.
    """
    on_progress(Progress(done=0, total=0, what="loading the task"))
    tasks = load_tasks(call.task)
    rows: list[JsonObject] = []
    for name, task in tasks.items():
        task.build_all_requests(
            limit=call.task.limit,
            apply_chat_template=call.task.chat,
            fewshot_as_multiturn=call.task.chat,
            chat_template=_as_json if call.task.chat else None,
        )
        rows += [_row(name, instance, call.task) for instance in task.instances]
        on_progress(Progress(done=len(rows), total=0, what="writing items"))
    with call.items.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    versions: JsonObject = {name: str(task.VERSION) for name, task in tasks.items()}
    return Exported(
        items=len(rows),
        tasks=tuple(tasks),
        versions=versions,
        description=f"lm-evaluation-harness: {call.task.name}",
        max_tokens=max(_tokens(row) for row in rows),
    )


def _row(name: str, instance: Any, spec: LmEvalTask) -> JsonObject:
    context, settings = instance.args[:2]
    until = settings.get("until") or []
    decode: JsonObject = {
        "max_tokens": int(settings.get("max_gen_toks") or _ANSWER_TOKENS),
        "stop": [until] if isinstance(until, str) else [text for text in until if text],
    }
    if settings.get("do_sample") and settings.get("temperature"):
        decode["temperature"] = float(settings["temperature"])
    row: JsonObject = {
        "id": f"{name}/{instance.doc_id}",
        "expected": {"task": name, "doc": _plain(instance.doc)},
        "slices": [name],
        "decode": decode,
    }
    if spec.chat:
        return row | {"messages": json.loads(context)}
    return row | {"prompt": context, "raw": True}


def _as_json(conversation: list[dict[str, str]], *_: object, **__: object) -> str:
    """Hand the conversation through: our own rendering applies the model's template."""
    return json.dumps(conversation, ensure_ascii=False)


def _plain(doc: dict[str, Any]) -> JsonValue:
    plain: JsonValue = json.loads(json.dumps(doc, ensure_ascii=False, default=str))
    return plain


def _tokens(row: JsonObject) -> int:
    decode = row["decode"]
    assert isinstance(decode, dict)
    return int(str(decode["max_tokens"]))


if __name__ == "__main__":
    serve(export, ExportCall)
