"""Corpora as an axis of a build: every calibrated recipe once for each corpus, and once for none.

Which corpus helps is a question of measurement. A variant of such a build is named after its corpus
(`Q4_K_M--imatrix--on_support-traffic`); one of `none` is what the same numerics are without calibration: no
importance matrix, round-to-nearest.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import (
    Calibration,
    CompressedTensorsOptions,
    GgufOptions,
    Recipe,
)
from quantgate.pipelines.specs.kv_caches import without_kv_suffix

NO_CORPUS = "none"
"""How a build file asks for no corpus at all, beside others."""

_SUFFIX = "--on_"
_NAME = re.compile(rf"(?P<recipe>.+?){_SUFFIX}(?P<corpus>.+)")
_WEIGHTS_ONLY = frozenset({"W4A16", "W4A16_ASYM", "W8A16"})
"""Schemes whose activations stay as they are: nothing is lacking without samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCorpus:
    """A recipe as it is built on one corpus; `corpus` is its name, None where it takes nothing from any."""

    recipe: Recipe
    corpus: str | None


def over_corpora(
    recipes: Sequence[Recipe], names: Sequence[str]
) -> tuple[tuple[OnCorpus, ...], tuple[str, ...]]:
    """Return every recipe on each corpus, and sentences on those that cannot do without one.

    With a single name, or none, recipes keep theirs. Recipes that are not calibrated come once.

    Raises:
        InputError: where a corpus is named twice.
    """
    if len(set(names)) < len(names):
        raise InputError(
            f"a corpus is named twice: {', '.join(names)}",
            where="corpora",
            next_step="leave one of them out, or give it another name",
        )
    if len(names) <= 1:
        only = next(iter(names), None)
        return tuple(_single(recipe, only) for recipe in recipes), ()
    combinations: list[OnCorpus] = []
    left_out: list[str] = []
    for recipe in recipes:
        if recipe.calibration is Calibration.NONE:
            combinations.append(OnCorpus(recipe=recipe, corpus=None))
            continue
        for name in names:
            made = without_corpus(recipe) if name == NO_CORPUS else recipe
            if made is None:
                left_out.append(f"{recipe.name} cannot be built without a corpus: not compared so")
                continue
            named = replace(made, name=f"{recipe.name}{_SUFFIX}{name}")
            combinations.append(OnCorpus(recipe=named, corpus=None if name == NO_CORPUS else name))
    return tuple(combinations), tuple(left_out)


def _single(recipe: Recipe, corpus: str | None) -> OnCorpus:
    calibrated = recipe.calibration is not Calibration.NONE and corpus != NO_CORPUS
    return OnCorpus(recipe=recipe, corpus=corpus if calibrated else None)


def without_corpus(recipe: Recipe) -> Recipe | None:
    """Return the same numerics made without a corpus; None where there is no such thing.

    A GGUF does without its importance matrix (llama.cpp refuses that for its smallest types, which
    planning says); 4- and 8-bit weights of full-precision activations are rounded to nearest.
    """
    options = recipe.options
    if isinstance(options, GgufOptions) and options.mix is None:
        return replace(recipe, calibration=Calibration.NONE, calibration_tokens=0, algorithm="none")
    if isinstance(options, CompressedTensorsOptions) and options.scheme in _WEIGHTS_ONLY:
        plain = replace(
            options,
            modifier="QuantizationModifier",
            actorder=None,
            dampening_fraction=None,
            smoothing_strength=None,
        )
        return replace(
            recipe,
            calibration=Calibration.NONE,
            calibration_tokens=0,
            algorithm="RTN",
            options=plain,
        )
    return None


def plain_name(name: str) -> str:
    """Return a recipe's name as its author wrote it, without the corpus and the KV-cache type of a build."""
    return without_kv_suffix(split_corpus(name)[0])


def split_corpus(name: str) -> tuple[str, str | None]:
    """Split `Q4_K_M--imatrix--on_web` into recipe and corpus; None where the name says none."""
    match = _NAME.fullmatch(without_kv_suffix(name))
    return (match["recipe"], match["corpus"]) if match else (name, None)
