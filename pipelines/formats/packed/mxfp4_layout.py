"""How MXFP4 experts are stored: names and shapes, without numpy, which whoever only looks needs not wait for.

`mxfp4` expands them and names the sources.
"""

from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

BLOCKS, SCALES = "_blocks", "_scales"
"""How the names of a fused tensor's two parts end."""
BLOCK = 32
"""Values that share an exponent."""


def is_mxfp4(folder: Path) -> bool:
    """Whether a folder's config.json says that its experts are stored so."""
    said = read_json_object(folder / "config.json").get("quantization_config")
    return isinstance(said, dict) and said.get("quant_method") == Format.MXFP4
