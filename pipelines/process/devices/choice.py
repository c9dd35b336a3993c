"""QUANTGATE_DEVICE: what a person chose to compute on.

`auto` (GPUs of the first one's kind, a unit on each, where an engine was built with CUDA; else the CPU),
`cpu`, `cuda` (every GPU), `cuda:1`, `cuda:0,cuda:1` (a unit on each), `cuda:0+cuda:1` (one model over both).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.devices.gpus import Gpu

DEVICE_VARIABLE = "QUANTGATE_DEVICE"
_Kind = Literal["auto", "cpu", "cuda"]
_GROUP = re.compile(r"cuda:\d{1,3}(?:\+cuda:\d{1,3})*")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChoice:
    """What was asked for. `groups` are numbers of GPUs, those of a group for one model; () is every GPU."""

    kind: _Kind
    groups: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "DeviceChoice":
        """Read QUANTGATE_DEVICE, without looking at what there is.

        Raises:
            InputError: where it is written otherwise, or names a GPU twice.
        """
        text = environment.get(DEVICE_VARIABLE, "").strip().lower() or "auto"
        if text in get_args(_Kind):
            return cls(kind=cast("_Kind", text))
        written = [part.strip() for part in text.split(",")]
        groups = tuple(tuple(map(int, _NUMBER.findall(part))) for part in written)
        numbers = [number for group in groups for number in group]
        if not all(map(_GROUP.fullmatch, written)) or len(set(numbers)) < len(numbers):
            raise InputError(
                f"'{text}' names no device",
                where=DEVICE_VARIABLE,
                next_step="auto, cpu, cuda, cuda:0, cuda:0,cuda:1 (a variant each) or cuda:0+cuda:1 "
                "(one model over both)",
            )
        return cls(kind="cuda", groups=groups)

    def of(self, gpus: Sequence[Gpu]) -> "Devices":
        """Return what is to be used of the GPUs that there are.

        Raises:
            InputError: where one is asked for that there is not, or they are of different kinds.
        """
        if self.kind == "auto":
            return Devices(groups=tuple((gpu,) for gpu in gpus if gpu.kind == gpus[0].kind))
        if self.kind == "cpu":
            return Devices(cpu_alone=True)
        numbers = self.groups or tuple((number,) for number in range(len(gpus)))
        missing = [n for group in numbers for n in group if n >= len(gpus)]
        if missing or not numbers:
            asked = f"cuda:{missing[0]}" if missing else "a GPU"
            raise InputError(
                f"there is no {asked}: nvidia-smi shows {len(gpus) or 'no'} GPUs here",
                where=DEVICE_VARIABLE,
                next_step="set it to auto or cpu, or see what `nvidia-smi` says",
            )
        groups = tuple(tuple(gpus[n] for n in group) for group in numbers)
        kinds = sorted({_kind(group) for group in groups})
        if len(kinds) > 1:
            raise InputError(
                f"names devices that do not compute alike: {'; '.join(kinds)}",
                where=DEVICE_VARIABLE,
                next_step="name those of one kind: a verdict belongs to the device that computed",
            )
        return Devices(groups=groups, demanded=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What units compute on: a group of GPUs each, all groups of one kind; no groups is the CPU.

    `demanded` says that an engine which cannot use them is to be refused; `cpu_alone` that GPUs are to be
    hidden from everything.
    """

    groups: tuple[tuple[Gpu, ...], ...] = ()
    demanded: bool = False
    cpu_alone: bool = False

    @property
    def uuids(self) -> tuple[tuple[str, ...], ...]:
        """What CUDA_VISIBLE_DEVICES takes for each group."""
        return tuple(tuple(gpu.uuid for gpu in group) for group in self.groups)

    @property
    def name(self) -> str:
        """What verdicts call it: `cpu`, or the GPU's kind with its number where a model has several."""
        return _kind(self.groups[0]) if self.groups else "cpu"


def _kind(group: Sequence[Gpu]) -> str:
    kinds = sorted({gpu.kind for gpu in group})
    return f"{len(group)} x {kinds[0]}" if len(group) > 1 and len(kinds) == 1 else " + ".join(kinds)
