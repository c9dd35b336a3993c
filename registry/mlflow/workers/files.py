"""The variant's files: where they lie, fetching them, and comparing every one with what was registered."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any

_CHUNK_BYTES = 1 << 22
_MANIFEST = "manifest.json"


def variant_folder(manifest: Mapping[str, Any]) -> Path:
    """Return where the variant lies: in QUANTGATE_STORE, where it was registered, or fetched.

    Raises:
        FileNotFoundError: it is nowhere.
    """
    registered = Path(manifest["location"])
    store = os.environ.get("QUANTGATE_STORE")
    others = sorted(Path(store, "variants").glob("[!.]*")) if store else []
    named = [Path(store, "variants", registered.name)] if store else []
    expected = {file["path"]: file["sha256"] for file in manifest["files"]}
    for folder in [*named, registered, *others]:
        if _listed(folder) == expected:
            return folder
    if manifest["place"] == "none":
        raise FileNotFoundError(
            f"{registered}: the variant's folder is not on this machine; mount or copy the store, or "
            "register it with QUANTGATE_WEIGHTS=upload"
        )
    return _fetched(manifest)


def _listed(folder: Path) -> dict[str, str] | None:
    """Return the sha256 of each file that a store's folder says it holds; None where it says nothing."""
    try:
        files = json.loads((folder / _MANIFEST).read_bytes())["files"]
        return {file["path"]: file["sha256"] for file in files}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fetched(manifest: Mapping[str, Any]) -> Path:
    """Return the folder in QUANTGATE_CACHE (`~/.cache/quantgate`) with the files; fetch what is missing."""
    import mlflow  # the rest of this module needs none

    cache = os.environ.get("QUANTGATE_CACHE") or Path.home() / ".cache" / "quantgate"
    folder = Path(cache, manifest["facts"]["files_digest"])
    for file in manifest["files"]:
        path = folder / file["path"]
        if path.is_file() and path.stat().st_size == file["size_bytes"]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as work:
            whole = Path(work, "whole")
            with whole.open("wb") as target:
                for part in file["parts"]:
                    address = f"{manifest['place']}/{part}"
                    fetched = Path(mlflow.artifacts.download_artifacts(address, dst_path=work))
                    with fetched.open("rb") as source:
                        copyfileobj(source, target, _CHUNK_BYTES)
                    fetched.unlink()
            whole.replace(path)
    return folder


def verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare every file with what was registered.

    Raises:
        FileNotFoundError, ValueError: a file is not there, or is not what was registered.
    """
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


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()
