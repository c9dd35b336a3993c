"""Prints one schema, or the names of all of them."""

from quantgate.flows.cli.schemas.outputs import OUTPUTS
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.json_schemas import SCHEMAS, output_schema_text
from quantgate.pipelines.specs.loading import did_you_mean


def schema_command(name: str | None) -> int:
    """Print the schema of a name, or every name."""
    files = {path.stem: path for path in sorted(SCHEMAS.glob("*.json"))}
    short = {full.removeprefix("quantgate.").partition("/")[0]: full for full in OUTPUTS}
    if name is None:
        print(f"files:   {', '.join(files)}")
        print(f"outputs: {', '.join(OUTPUTS)}")
        return 0
    if name in files:
        print(files[name].read_text(encoding="utf-8"), end="")
        return 0
    full = name if name in OUTPUTS else short.get(name)
    if full is None:
        names = [*files, *OUTPUTS, *short]
        raise InputError(
            f"there is no schema '{name}'{did_you_mean(name, names)}",
            where="quantgate schema",
            next_step="`quantgate schema` lists them",
        )
    print(output_schema_text(full, OUTPUTS[full]), end="")
    return 0
