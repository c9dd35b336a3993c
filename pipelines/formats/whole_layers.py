"""Linear layers that stay in full precision whatever a recipe addresses, told from names and shapes alone."""

import re
from collections.abc import Mapping

from quantgate.pipelines.formats.experts import Shape, routers

_STEPS = re.compile(r".+\.dt_proj\.weight")


def left_whole(shapes: Mapping[str, Shape]) -> frozenset[str]:
    """Return the matrices that choose a mixture's experts, and those that make a state space's steps.

    `shapes` has no fused tensors.
    """
    return routers(shapes) | step_projections(shapes)


def step_projections(shapes: Mapping[str, Shape]) -> frozenset[str]:
    """Return the matrices from which a state space model (Mamba, FalconMamba, Jamba) makes its steps.

    Their classes in transformers 5.17 multiply these weights themselves and never call the layer: no
    calibration sees what it is fed, and no activation of it is rounded. vLLM keeps them unquantized as well
    (`dt_proj` of its `MambaMixer`).
    """
    return frozenset(
        name for name, shape in shapes.items() if len(shape) == 2 and _STEPS.fullmatch(name)
    )
