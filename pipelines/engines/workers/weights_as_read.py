"""Weights that were read stay as they were read.

After loading, transformers 5.17 has every module that is not marked as whole start its weights, and trusts
its own classes to leave alone what was read. Some do not: Mamba2 with `rescale_prenorm_residual` divides each
`out_proj` by the root of the number of layers, and Youtu sets a tied embedding of the padding token to zero.
For classes of others transformers looks first whether a module's weights were all read
(`PreTrainedModel._initialize_weights`, `is_custom_code`); here it looks for all that have weights of their
own. One without any may start what no checkpoint stores: Falcon-H1's model fills a vector in each layer.
"""

import torch
from transformers import PreTrainedModel

_initialize = PreTrainedModel._initialize_weights


def keep_weights_as_read() -> None:
    """Have transformers start only modules of which something was not read, from here on in this process."""
    PreTrainedModel._initialize_weights = _initialize_unread


def _initialize_unread(
    model: PreTrainedModel, module: torch.nn.Module, _is_custom_code: bool = False
) -> None:
    weights = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    _initialize(model, module, bool(weights))
