"""GGUF files split by the writer that comes with llama.cpp's converter, as people split them."""

import os
import subprocess
import sys
from pathlib import Path

from quantgate.flows.settings import Settings

_SPLIT = """
import sys
from gguf import GGUFReader, GGUFValueType, GGUFWriter

source, target, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
reader = GGUFReader(source)
architecture = reader.fields["general.architecture"].contents()
writer = GGUFWriter(target, architecture, split_max_tensors=most)
for name, field in reader.fields.items():
    if name == "general.architecture" or name.startswith("GGUF."):
        continue
    inner = field.types[-1] if field.types[0] is GGUFValueType.ARRAY else None
    writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
for tensor in reader.tensors:
    writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


def split_gguf(file: Path, folder: Path, most_tensors: int) -> tuple[Path, ...]:
    """Write a GGUF once more, in parts of so many tensors, under its own name; return the parts."""
    library = Settings.from_environment().converter / "gguf-py"
    subprocess.run(
        [sys.executable, "-c", _SPLIT, str(file), str(folder / file.name), str(most_tensors)],
        env={**os.environ, "PYTHONPATH": str(library)},
        check=True,
        capture_output=True,
    )
    return tuple(sorted(folder.glob(f"{file.stem}-*-of-*.gguf")))
