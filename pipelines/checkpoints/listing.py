"""What a checkpoint's file names alone give away, before a byte is downloaded or read."""

import stat
from collections.abc import Iterable
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.safetensors import INDEX_FILE, SINGLE_FILE

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def refuse_listing(names: Iterable[str], *, where: str) -> None:
    """Refuse a checkpoint that cannot be one.

    Raises:
        CheckpointError: with the sentence that fits best: pickled weights, GGUF, an adapter, no weights,
            no config.json, no tokenizer.json.
    """
    present = set(names)
    if not present & {SINGLE_FILE, INDEX_FILE}:
        raise _without_weights(present, where)
    if "config.json" not in present:
        raise CheckpointError(
            "config.json is missing, so the architecture is unknown",
            where=where,
            next_step="copy it from where the weights came from",
        )
    if "tokenizer.json" not in present:
        raise CheckpointError(
            "tokenizer.json is missing; it is the one tokenizer file that every runtime here reads alike",
            where=where,
            next_step="let transformers write it: AutoTokenizer.from_pretrained(x).save_pretrained(x)",
        )


def refuse_pipes(folder: Path) -> None:
    """Refuse entries that are neither files nor folders: opening a pipe would wait for ever.

    Raises:
        CheckpointError: naming the first, also where a link leads nowhere.
    """
    for path in sorted(folder.iterdir()):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise CheckpointError(
                f"cannot be read ({error.strerror})",
                where=str(path),
                next_step="take it out, or let this user read it",
            ) from error
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise CheckpointError(
                "is neither a file nor a folder", where=str(path), next_step="take it out"
            )


def _without_weights(present: set[str], where: str) -> CheckpointError:
    pickled = sorted(name for name in present if name.endswith(_PICKLED))
    if "adapter_config.json" in present:
        return CheckpointError(
            "is an adapter, not a checkpoint",
            where=where,
            next_step="merge it into its base model and save that as safetensors",
        )
    if pickled:
        return CheckpointError(
            f"has only pickled weights ({pickled[0]}), which can run code when they are loaded",
            where=where,
            next_step="save them once as safetensors: model.save_pretrained(folder)",
        )
    if any(name.endswith(".gguf") for name in present):
        return CheckpointError(
            "holds GGUF files and no safetensors",
            where=where,
            next_step="name one of the files, or the checkpoint that they were made from",
        )
    return CheckpointError(
        f"has neither {SINGLE_FILE} nor {INDEX_FILE}",
        where=where,
        next_step="name a folder that save_pretrained of transformers has written",
    )
