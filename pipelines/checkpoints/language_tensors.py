"""Which tensors of a checkpoint are its language model's, and which belong to what sees or hears beside it.

Names are those of transformers 5.17 and of releases before it, and what `TextModel.filter_tensors` of
llama.cpp's converter passes over (conversion/base.py).
"""

import re
from collections.abc import Iterable

_LANGUAGE = frozenset({"language_model", "text_model", "lm_head", "llm"})
_BESIDE = re.compile(
    r"visual|vision\w*|image\w*|audio\w*|speech\w*|sound\w*|\w*projector\w*|\w*projection|vit|vpm|resampler|merger|"
    r"patch_\w+|conformer\w*|talker|token2wav|code2wav|connector|perceiver\w*|siglip\w*|sam_model|qformer|"
    r"embed_vision|embed_audio|aligner|abstractor|mlp1|mlp_AR|view_seperator"
)
_OUTER = "model"


def parts_beside(names: Iterable[str]) -> tuple[str, ...]:
    """Return the modules of a composite checkpoint that are not its language model (`model.vision_tower`).

    Where some module is called a language model, everything outside it is beside; else names tell.
    """
    split = [name.split(".") for name in names]
    marked = any("language_model" in parts for parts in split)
    modules = (_module_beside(parts, marked=marked) for parts in split)
    return tuple(sorted({module for module in modules if module is not None}))


def _module_beside(parts: list[str], *, marked: bool) -> str | None:
    """Return the module that a tensor's name puts beside the language model, None where it is of it."""
    place = 1 if parts[0] == _OUTER and len(parts) > 1 else 0
    if parts[place] in _LANGUAGE or parts[0] in _LANGUAGE:
        return None
    if marked or _BESIDE.fullmatch(parts[place]):
        return ".".join(parts[: place + 1])
    return None
