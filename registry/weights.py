"""Where weights of registered versions go: setting `QUANTGATE_WEIGHTS`.

`reference` (the default) leaves them in the store: a version names a folder of the machine that built it.
`upload` sends them to MLflow's artifact store. Anything else is the address of a folder that fsspec knows,
such as `s3://bucket/folder`: each content lies there once, below its digest.
"""

import re
from collections.abc import Mapping

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.secrets import redacted

WEIGHTS_VARIABLE = "QUANTGATE_WEIGHTS"
REFERENCE, UPLOAD = "reference", "upload"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://.+")


def weights_setting(environment: Mapping[str, str]) -> str:
    """Return `reference`, `upload`, or the address of a folder, without a slash at its end.

    Raises:
        InputError: where it is none of them.
    """
    text = environment.get(WEIGHTS_VARIABLE, "").strip() or REFERENCE
    if text in (REFERENCE, UPLOAD):
        return text
    if not _ADDRESS.fullmatch(text):
        raise InputError(
            f"'{redacted(text)}' says nowhere to keep weights",
            where=WEIGHTS_VARIABLE,
            next_step=f"set it to {REFERENCE}, {UPLOAD}, or an address such as s3://bucket/folder",
        )
    return text.rstrip("/")
