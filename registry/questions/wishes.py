"""What a caller of a look-up can use: suite, runtime, format, size, bits, KV cache; and which fit is best."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TypedDict

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Format
from quantgate.registry.names import check_asked_name, check_suite_name
from quantgate.registry.suggestions import instead
from quantgate.registry.tags import NONE

_CACHE_TYPE = re.compile(r"[A-Za-z0-9_.-]+")


class Sort(StrEnum):
    """Which of those that fit is the best one."""

    SIZE = "size"
    ACCURACY = "accuracy"
    SPEED = "speed"


class Wishes(TypedDict, total=False):
    """What a caller can use; whatever is left out (or None) is open.

    `suite` is a suite's name. `runtime` is an engine (`llama.cpp`, `transformers`; spelling of dots and case
    is free), `format` is bytes on disk (`gguf`, `compressed-tensors`). `max_size_bytes` is the size of all
    files, `max_bits` bits per weight over all weights. `kv` is the KV-cache type that the verdict was made
    with (`f16`, `q8_0`). `sort` says which of those that fit is returned: the smallest (`size`, the
    default), the one that answers most items of the suite rightly (`accuracy`), or the fastest (`speed`): the
    one that generates most tokens a second beside its base, as far as versions were timed; behind those the
    one that answered most tokens a second when it was judged, which is rough.
    """

    suite: str | None
    runtime: str | None
    format: str | None
    max_size_bytes: int | None
    max_bits: float | None
    kv: str | None
    sort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRequest:
    """A model and what a caller can use of it; see `Wishes`. None leaves a question open."""

    model: str
    suite: str | None = None
    runtime: str | None = None
    format: str | None = None
    max_size_bytes: int | None = None
    max_bits: float | None = None
    kv: str | None = None
    sort: str = Sort.SIZE

    def check(self) -> None:
        """Refuse what there is none of: a misspelt format would find nothing, as if nothing had passed.

        Raises:
            InputError: naming what there is; also where a number of bits is none.
        """
        check_asked_name(self.model)
        if self.suite is not None:
            check_suite_name(self.suite)
        formats = [each.value for each in Format]
        if self.format is not None and plain(self.format) not in map(plain, formats):
            raise _none_such("format", self.format, formats)
        if self.sort not in tuple(Sort):
            raise _none_such("sort", self.sort, [each.value for each in Sort])
        if self.max_bits is not None and not 0 < self.max_bits < inf:
            raise InputError(
                f"{self.max_bits} is no number of bits",
                where="bits per weight",
                next_step="name a number above 0, e.g. 4.5",
            )
        if self.kv is not None and not _CACHE_TYPE.fullmatch(self.kv):
            raise InputError(
                f"{self.kv!r} is no KV-cache type", where="KV cache", next_step="write it like q8_0"
            )

    @property
    def is_open(self) -> bool:
        """Whether nothing but a suite is wished for."""
        return self == LookupRequest(model=self.model, suite=self.suite)

    @property
    def tags(self) -> Mapping[str, str]:
        """The wishes that a registry can be asked for by a tag's text."""
        formats = {plain(each.value): each.value for each in Format}
        wished = {"format": formats[plain(self.format)] if self.format is not None else None}
        wished |= {"runtime_kv_cache": self.kv.lower() if self.kv is not None else None}
        return {name: text for name, text in wished.items() if text is not None}

    def fits(self, traits: "Traits") -> bool:
        """Whether a version meets every wish."""
        return (
            (self.suite is None or traits.suite_name == self.suite)
            and (self.runtime is None or plain(traits.engine) == plain(self.runtime))
            and (self.format is None or plain(traits.format) == plain(self.format))
            and (self.max_size_bytes is None or traits.size_bytes <= self.max_size_bytes)
            and (self.max_bits is None or traits.bits_per_weight <= self.max_bits)
            and (self.kv is None or traits.kv_cache == self.kv.lower())
        )

    def unknown_to(self, held: Sequence["Traits"], suites: Collection[str]) -> Iterator[str]:
        """Say of each name that is wished for and that none of some versions has, which one may be meant.

        `suites` are all that versions of the model passed.
        """
        names = (
            ("suite", self.suite, suites, str),
            ("runtime", self.runtime, {traits.engine for traits in held}, plain),
            ("KV cache", self.kv, {traits.kv_cache for traits in held}, str.lower),
        )
        for what, wished, there, spelt in names:
            if wished is not None and there and spelt(wished) not in map(spelt, there):
                yield f"no {what} '{wished}' among them ({instead(wished, sorted(there))})"

    def __str__(self) -> str:
        wishes = [
            f"suite {self.suite}" if self.suite is not None else "",
            f"runtime {self.runtime}" if self.runtime is not None else "",
            f"format {self.format}" if self.format else "",
            f"at most {self.max_size_bytes:,} bytes" if self.max_size_bytes is not None else "",
            f"at most {self.max_bits:g} bits a weight" if self.max_bits is not None else "",
            f"KV cache {self.kv}" if self.kv is not None else "",
        ]
        return ", ".join(wish for wish in wishes if wish) or "no further wish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What wishes and orders go by. `bits_per_weight` is of all weights where those were counted."""

    number: int
    suite_name: str
    format: str
    engine: str
    kv_cache: str
    full_cache: bool
    size_bytes: int
    bits_per_weight: float
    accuracy: float | None
    tokens_per_second: float | None
    speed_ratio: float | None = None


TRAIT_TAGS = (
    "version_key", "suite_name", "format", "runtime_engine", "runtime_kv_cache", "numerics", "size_bytes",
    "bits_per_weight", "file_bits_per_weight", "accuracy", "tokens_per_second",
    "speed_ratio",
)  # fmt: skip
"""The tags that traits are read from."""


def traits_of(number: str, tags: Mapping[str, str]) -> Traits | None:
    """Read a version's traits from its tags; None where it was not registered by this program, or altered."""
    whole = tags.get("file_bits_per_weight", NONE)
    try:
        return Traits(
            number=int(number),
            suite_name=tags["suite_name"],
            format=tags["format"],
            engine=tags["runtime_engine"],
            kv_cache=tags["runtime_kv_cache"],
            full_cache=tags["numerics"].endswith("/KV16"),
            size_bytes=int(tags["size_bytes"]),
            bits_per_weight=float(tags["bits_per_weight"] if whole == NONE else whole),
            accuracy=_measured(tags.get("accuracy", NONE)),
            tokens_per_second=_measured(tags.get("tokens_per_second", NONE)),
            speed_ratio=_measured(tags.get("speed_ratio", NONE)),
        )
    except (KeyError, ValueError):
        return None


def best_first(sort: str) -> Callable[[Traits], tuple[float, ...]]:
    """Return the key by which versions are sorted, the best first.

    Of equals the smaller one, of equally large ones the one judged with a full-precision KV cache, as a
    server that is told nothing has it; then the newest. What was not measured comes last.
    """

    def smallest(traits: Traits) -> tuple[float, ...]:
        return traits.size_bytes, not traits.full_cache, -traits.number

    def most_accurate(traits: Traits) -> tuple[float, ...]:
        return _descending(traits.accuracy), *smallest(traits)

    def fastest(traits: Traits) -> tuple[float, ...]:
        rough = _descending(traits.tokens_per_second)
        return _descending(traits.speed_ratio), rough, *smallest(traits)

    return {Sort.SIZE: smallest, Sort.ACCURACY: most_accurate, Sort.SPEED: fastest}[Sort(sort)]


def plain(name: str) -> str:
    """Return a name without dots, dashes and case, as callers may spell it."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _measured(text: str) -> float | None:
    return None if text == NONE else float(text)


def _descending(measured: float | None) -> float:
    return inf if measured is None else -measured


def _none_such(what: str, name: str, there_are: list[str]) -> InputError:
    return InputError(
        f"there is no {what} '{name}'",
        where=what,
        next_step=f"name one of {', '.join(there_are)}",
    )
