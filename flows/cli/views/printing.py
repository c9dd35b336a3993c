"""What programs read: JSON on standard output."""

import json

from quantgate.flows.cli.views.versioned import versioned
from quantgate.pipelines.files.records import to_json


def print_json(value: object) -> None:
    """Print a value as JSON after its schema, indented, in its letters; nouns as records hold them."""
    print(json.dumps(versioned(value), indent=1, ensure_ascii=False, default=to_json))


def print_json_line(value: object) -> None:
    """Print a value as one line of JSON at once, for whoever reads along."""
    print(json.dumps(to_json(versioned(value)), ensure_ascii=False), flush=True)
