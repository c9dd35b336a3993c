"""What commands print as JSON, held against the schema that `quantgate schema` prints of it."""

import json

import jsonschema
from click.testing import CliRunner

from quantgate.flows.cli.main import main


def require_schema(value: object) -> str:
    """Hold a value against the schema that it names, and return that name."""
    assert isinstance(value, dict)
    name = str(value["schema"])
    shown = CliRunner().invoke(main, ["schema", name])
    assert shown.exit_code == 0, shown.output
    jsonschema.validate(value, json.loads(shown.stdout))
    return name
