"""What commands print as JSON, held against the schema that `quantgate schema` prints of it."""

import json

import jsonschema
from click.testing import CliRunner

from quantgate.flows.cli.main import main


def require_schema(value: object, name: str | None = None) -> str:
    """Hold a value against the schema that it names, or the one called `name`, and return that name."""
    assert isinstance(value, dict)
    name = name or str(value["schema"])
    shown = CliRunner().invoke(main, ["schema", name])
    assert shown.exit_code == 0, shown.output
    jsonschema.validate(value, json.loads(shown.stdout))
    return name
