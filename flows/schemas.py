"""JSON schemas of everything a person writes, generated from the very models that parse it.

`python -m quantgate.flows.schemas` (or `make schemas`) writes them to `pipelines/specs/schemas/`. An editor
that finds `# yaml-language-server: $schema=…` in the first lines of a file completes and checks it as it is
typed.
"""

from quantgate.calibration.specs.corpus_file import CorpusFile
from quantgate.flows.cli.transcripts import TranscriptLine
from quantgate.flows.releases.watch_list import WatchListSpec
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.specs.builds import BuildFile
from quantgate.pipelines.specs.json_schemas import SCHEMAS, schema_text
from quantgate.pipelines.specs.loading import Spec
from quantgate.pipelines.specs.policies import PolicySpec
from quantgate.pipelines.specs.recipe_files import RecipeSpec
from quantgate.pipelines.suites.adjudications import AdjudicationSpec
from quantgate.pipelines.suites.anchors import AnchorSpec
from quantgate.pipelines.suites.files import ItemSpec, SuiteSpec

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


def write_schemas() -> None:
    """Write every schema."""
    for name, model in (MODELS | LINES).items():
        write_text(SCHEMAS / f"{name}.json", schema_text(model))


if __name__ == "__main__":
    write_schemas()
