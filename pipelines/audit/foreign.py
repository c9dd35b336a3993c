"""What somebody else made, held against the base: no recipe promises anything of it, the base does.

Its types are what they are, and said. Every weight has to be there in the base's shape. What it says of its
own making is a claim.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.variant import QuantizedTensor, bits_of_all, bits_of_quantized
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.engines.contents import Contents

_SHOWN = 3
_HEAD, _EMBEDDINGS = "output.weight", "token_embd.weight"
_TIED_HEAD = "lm_head.weight"
_SCALES = re.compile(r"\.(input_)?scale$")
_MISSING = "missing"
_SERVE = "serve it with the base's (where that is so, `template: base` in a build file says it)"


def audit_making(options: ForeignOptions) -> AuditFinding:
    """Say what is known of how it was made: nothing. What it says itself is repeated as a claim."""
    claims = "; ".join(map(str, options.claims))
    return AuditFinding(
        check="how it was made",
        passed=True,
        promised="unknown: somebody else made it",
        found=f"it claims: {claims}" if claims else "it claims nothing",
    )


def audit_foreign_template(
    options: ForeignOptions, base_template: str, template: str
) -> AuditFinding:
    """Hold its chat template against the base's, by which all prompts are rendered.

    One that differs would have a server ask other prompts than those that were judged, unless it is told to
    take the base's; so would a server that is given none.
    """
    if template.strip() == base_template.strip():
        held = "equal"
    elif not template:
        held = f"it has none: {_SERVE}"
    else:
        held = f"differs: {_SERVE}"
    return AuditFinding(
        check="chat template",
        passed=not held.startswith("differs") or options.template == "base",
        promised="equal to the base's"
        if options.template == "own"
        else "whatever it is, for it is served with the base's",
        found=held,
    )


def audit_types(written: Sequence[QuantizedTensor]) -> AuditFinding:
    """Say which types its tensors really have, and their bits; something has to be quantized."""
    types = Counter(tensor.type for tensor in written)
    counted = ", ".join(f"{name} x {count}" for name, count in types.most_common())
    return AuditFinding(
        check="tensor types",
        passed=any(tensor.quantized for tensor in written),
        promised="whatever they are, some below 16 bits",
        found=f"{counted}: {bits_of_quantized(written):.3f} bits of quantized weights, "
        f"{bits_of_all(written):.3f} of all",
    )


def audit_coverage(
    written_in: Format, base: Contents, variant: Contents, written: Sequence[QuantizedTensor]
) -> AuditFinding:
    """Hold names and shapes of its weights against the base's."""
    wrong = list(
        _of_gguf(base, variant)
        if written_in is Format.GGUF
        else (f"{t.name} is missing" for t in written if _lacks(t))
    )
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return AuditFinding(
        check="every weight of the base is in it",
        passed=not wrong,
        promised=f"{len(base.tensors)} tensors, in the base's shapes",
        found=f"{', '.join(wrong[:_SHOWN])}{more}" if wrong else "all, and nothing else",
    )


def _lacks(tensor: QuantizedTensor) -> bool:
    """A head that is the embeddings need not be stored; loading refuses one that is not and is missing."""
    return tensor.type == _MISSING and tensor.name != _TIED_HEAD


def _of_gguf(base: Contents, variant: Contents) -> Iterator[str]:
    shapes = {tensor.name: tensor.shape for tensor in variant.tensors}
    bases = {tensor.name: tensor.shape for tensor in base.tensors}
    for name, shape in bases.items():
        if name not in shapes:
            yield f"{name} is missing"
        elif shapes[name] != shape:
            yield f"{name} is {_times(shapes[name])}, not {_times(shape)}"
    for name, shape in shapes.items():
        tied = name == _HEAD and shape == bases.get(_EMBEDDINGS)
        if name not in bases and not tied and not _SCALES.search(name):
            yield f"{name} is no tensor of the base"


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
