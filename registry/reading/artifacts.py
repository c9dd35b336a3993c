"""Files of runs that lie in folders of this machine, as a database names them."""

from pathlib import Path
from urllib.parse import unquote, urlsplit


def local_file(uri: str, moved: Path | None, name: str) -> bytes | None:
    """Return a file below an artifact URI of MLflow's (`file:///…`, or a path), else below `moved`.

    `moved` is where the same run's files lie where a registry was moved or copied. None where there is no
    such file, or it lies on no file system.
    """
    parts = urlsplit(uri)
    places = [Path(unquote(parts.path))] if parts.scheme in ("", "file") and parts.path else []
    for place in (*places, *([moved] if moved is not None else [])):
        try:
            return (place / name).read_bytes()
        except OSError:
            continue
    return None
