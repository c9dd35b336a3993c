"""MXFP4 experts as gpt-oss is released: 4-bit floats with an exponent for every 32 of them.

Sources: OCP Microscaling Formats (MX) specification 1.0 (E2M1 elements, E8M0 scales), and
`convert_moe_packed_tensors` of transformers 5.17 (integrations/mxfp4.py) for the layout. A fused tensor
`experts.gate_up_proj` is stored as `experts.gate_up_proj_blocks`, uint8 of experts x outputs x blocks x 16
(two values a byte, the first in its lower half), and `experts.gate_up_proj_scales`, uint8 of experts x
outputs x blocks (an exponent, 127 more than meant). Expanded it is experts x inputs x outputs.
"""

import numpy as np

from quantgate.pipelines.formats.arrays import Array
from quantgate.pipelines.formats.packed.mxfp4_layout import BLOCK

_VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=np.float32)
_EXPONENT_BIAS = 127


def expanded_expert(blocks: Array, scales: Array) -> Array:
    """Return one expert's matrix, inputs x outputs in float32; bfloat16 holds every value exactly.

    `blocks` are outputs x blocks x 16, `scales` outputs x blocks, both uint8.
    """
    halves = np.stack([blocks & 0x0F, blocks >> 4], axis=-1).reshape(*scales.shape, BLOCK)
    values = np.concatenate([_VALUES, -_VALUES])[halves]
    exponents = scales.astype(np.int32) - _EXPONENT_BIAS
    expanded: Array = np.ldexp(values, exponents[..., None])
    return expanded.reshape(scales.shape[0], -1).T
