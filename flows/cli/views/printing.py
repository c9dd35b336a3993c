"""What programs read: JSON on standard output."""

import json

from quantgate.pipelines.files.records import to_json


def print_json(value: object) -> None:
    """Print a value as JSON, indented, in the letters that it has; nouns in it as records hold them."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=to_json))
