"""Which layers calibration reached: what is fed nothing has no scales, and llm-compressor does not say so."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llmcompressor.workers.matching import Matched


class Reached:
    """The addressed layers that were not fed yet, by the checkpoint's names.

    All of them are crossed out at once where no modifier takes the scales of layers from calibration.
    """

    def __init__(self, matched: Matched, recipe: Sequence[Modifier]) -> None:
        """Watch every addressed layer."""
        self._missing: dict[str, None] = {}
        calibrated = (
            modifier
            for modifier in recipe
            if isinstance(modifier, GPTQModifier | QuantizationModifier)
            and modifier.requires_calibration_data
        )
        if modifier := next(calibrated, None):
            for name, module in matched.layers.items():
                stored = matched.stored.get(name, name)
                self._missing[stored] = None
                modifier.register_hook(module, partial(self._cross_out, stored), "forward_pre")

    def require_all(self, base: Path) -> None:
        """Refuse layers that were never called.

        Raises:
            CheckpointError: naming the first of them.
        """
        if not self._missing:
            return
        first, more = next(iter(self._missing)), len(self._missing) - 1
        raise CheckpointError(
            f"calibration never reaches {first}{f' and {more} more' if more else ''}: its class computes "
            "without calling that layer",
            where=str(base),
            next_step="add it to `ignore` in the recipe, or take a recipe without calibration",
        )

    def _cross_out(self, name: str, _module: torch.nn.Module, _inputs: object) -> None:
        self._missing.pop(name, None)
