"""The code that travels with every registered version: `mlflow.pyfunc.load_model("models:/NAME@SUITE")`.

It stands alone (no import of this program), because it is loaded wherever MLflow is. MLflow verifies
nothing on download, so loading compares every file of the variant with its recorded sha256 first.
"""

import hashlib
import json
import os
from pathlib import Path

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext

_CHUNK_BYTES = 1 << 22
_MANIFEST = "manifest.json"


class QuantizedVariant(PythonModel):  # type: ignore[misc]  # MLflow ships no types we follow
    """A variant in its content-addressed store, checked on load.

    `facts` are what the registry says of it (`scheme`, `format`, `verdict`, `corpus`, digests …),
    with `location` (its folder) and `artifact` (the file or folder that a runtime loads).
    """

    facts: dict[str, str]

    def load_context(self, context: PythonModelContext) -> None:
        """Read the manifest and verify the variant's bytes.

        Raises:
            FileNotFoundError, ValueError: a file is not there, or is not what was registered.
        """
        manifest = json.loads(Path(context.artifacts["manifest"]).read_text(encoding="utf-8"))
        folder = _folder(Path(manifest["location"]))
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder}: the variant's folder is not on this machine; mount or copy the store"
            )
        for file in manifest["files"]:
            path = folder / file["path"]
            if not path.is_file():
                raise FileNotFoundError(f"{path}: a file of the registered variant is missing")
            if path.stat().st_size != file["size_bytes"] or _sha256(path) != file["sha256"]:
                raise ValueError(f"{path}: the file was altered since the variant was registered")
        named = {folder / file["path"] for file in manifest["files"]} | {folder / _MANIFEST}
        strangers = [path for path in folder.rglob("*") if path not in named and not path.is_dir()]
        if strangers:
            raise ValueError(f"{strangers[0]}: was added since the variant was registered")
        artifact = str(folder / manifest["artifact"])
        self.facts = manifest["facts"] | {"location": str(folder), "artifact": artifact}

    def predict(self, model_input: list[str]) -> list[str]:
        """Return the facts that are asked for by name, e.g. `["artifact", "format", "verdict"]`."""
        unknown = [name for name in model_input if name not in self.facts]
        if unknown:
            names = ", ".join(sorted(self.facts))
            raise ValueError(f"no such fact: {', '.join(unknown)}; known are {names}")
        return [self.facts[name] for name in model_input]


def _folder(registered: Path) -> Path:
    """Return where the variant lies: in the store named by QUANTGATE_STORE if that holds it."""
    store = os.environ.get("QUANTGATE_STORE")
    here = Path(store, "variants", registered.name) if store else registered
    return here if (here / _MANIFEST).is_file() else registered


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


mlflow.models.set_model(QuantizedVariant())
