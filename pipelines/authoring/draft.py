"""A draft suite: proposed items without expectations, for a person to complete."""

import json
from pathlib import Path

from quantgate.pipelines.authoring.choosing import Chosen
from quantgate.pipelines.authoring.mine import Mined
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import LONGEST_NAME, suite_name_problem
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.thoughts import spoken_part
from quantgate.pipelines.files.records import write_together
from quantgate.pipelines.specs.chat_messages import plain_message
from quantgate.pipelines.suites.load import SUITE_FILE
from quantgate.pipelines.suites.sources import ITEMS_FILE

_HEAD = """\
# A draft, proposed by `quantgate suite mine`. To make it a suite:
#   1. choose the grader that fits your task, here or item by item;
#   2. in {items}, replace every `"expected": null`. `draft.answer` is what the full-precision model
#      answered: a start where it is right, and no proof that it is;
#   3. take out what no user would miss, and run `quantgate suite check` until it finds nothing.
# These rows came from traffic: keep them out of the corpus that variants are calibrated on.
name: {name}
version: 1
description: Items from real traffic on which a quantized model is likely to answer differently.
grader: {{kind: exact}}
decode: {{max_tokens: {max_tokens}}}
slices:
{slices}"""


def write_draft(mined: Mined, folder: Path) -> None:
    """Write suite.yaml and items.jsonl.

    Raises:
        InputError: where the folder holds a suite already; nothing is overwritten.
    """
    for name in (SUITE_FILE, ITEMS_FILE):
        if (folder / name).exists():
            raise InputError(
                "is there already, and nothing is overwritten",
                where=str(folder / name),
                next_step="name another folder with --out",
            )
    used = {name for chosen in mined.chosen for name in chosen.slices}
    slices = [
        f"  {ranking.slice}: {{description: {json.dumps(ranking.description)}}}\n"
        for ranking in mined.rankings
        if ranking.slice in used
    ]
    head = _HEAD.format(
        items=ITEMS_FILE,
        name=_suite_name(folder),
        max_tokens=mined.max_tokens,
        slices="".join(slices),
    )
    rows = [_row(mined, chosen, number) for number, chosen in enumerate(mined.chosen, start=1)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_together({folder / ITEMS_FILE: lines.encode(), folder / SUITE_FILE: head.encode()})


def _suite_name(folder: Path) -> str:
    kept = "".join(
        c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in folder.resolve().name
    )
    name = kept.strip("_-")[:LONGEST_NAME]
    return name if suite_name_problem(name) is None else f"draft-{name}".rstrip("-")


def _row(mined: Mined, chosen: Chosen, number: int) -> JsonObject:
    margin = mined.margins.get(chosen.candidate.source)
    row: JsonObject = {
        "id": f"mined-{number:03}",
        "messages": [plain_message(message) for message in chosen.candidate.messages],
        "expected": None,
        "slices": list(chosen.slices),
        "draft": {
            "answer": spoken_part(margin.answer).text if margin else "",
            "why": list(chosen.why),
            "source": chosen.candidate.source,
        },
    }
    if chosen.candidate.tools:
        row["tools"] = list(chosen.candidate.tools)
    return row
