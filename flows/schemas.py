"""JSON schemas of everything a person writes, generated from the very models that parse it.

`python -m quantgate.flows.schemas` (or `make schemas`) writes them to `pipelines/specs/schemas/`. An editor
that finds `# yaml-language-server: $schema=…` in the first lines of a file completes and checks it as it is
typed.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from quantgate.calibration.specs.corpus_file import CorpusFile
from quantgate.flows.cli.transcripts import TranscriptLine
from quantgate.flows.releases.watch_list import WatchListSpec
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.specs.builds import BuildFile
from quantgate.pipelines.specs.loading import Spec
from quantgate.pipelines.specs.policies import PolicySpec
from quantgate.pipelines.specs.recipe_files import RecipeSpec
from quantgate.pipelines.suites.adjudications import AdjudicationSpec
from quantgate.pipelines.suites.anchors import AnchorSpec
from quantgate.pipelines.suites.files import ItemSpec, SuiteSpec

SCHEMAS = Path(__file__).resolve().parents[1] / "pipelines" / "specs" / "schemas"
MODELS: dict[str, type[Spec]] = {
    "recipe": RecipeSpec,
    "build": BuildFile,
    "policy": PolicySpec,
    "suite": SuiteSpec,
    "item": ItemSpec,
    "corpus": CorpusFile,
    "releases": WatchListSpec,
    "adjudication": AdjudicationSpec,
    "anchor": AnchorSpec,
}


LINES: dict[str, object] = {"transcript": TranscriptLine}
"""Lines of files that programs write and read, `quantgate export --transcripts` for one."""


def schema_text(model: Any) -> str:
    """Return a model's JSON schema as it stands in its file."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    schema: JsonValue = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_untitled(adapter.json_schema()),
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def write_schemas() -> None:
    """Write every schema."""
    for name, model in (MODELS | LINES).items():
        write_text(SCHEMAS / f"{name}.json", schema_text(model))


def _untitled(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out pydantic's titles, which repeat names: `Max Break Rate` of `max_break_rate`."""
    return {
        key: _inside(value, named=key in ("properties", "$defs"))
        for key, value in schema.items()
        if key != "title"
    }


def _inside(value: JsonValue, *, named: bool) -> JsonValue:
    """Go on below; the keys of `properties` and `$defs` are names, of which none is left out."""
    if isinstance(value, dict):
        if named:
            return {name: _inside(part, named=False) for name, part in value.items()}
        return _untitled(value)
    if isinstance(value, list):
        return [_inside(part, named=False) for part in value]
    return value


if __name__ == "__main__":
    write_schemas()
