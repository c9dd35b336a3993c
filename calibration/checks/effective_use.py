"""What a recipe's backend really takes from a corpus, worked out before anything is built.

Supplied is not consumed. On the way to a backend, sequences are rendered and tokenized in corpus order
until a recipe has the tokens it wants; longer ones are cut and those of one token are left out
(`calibration.shelf.tokens`). Then each backend has habits of its own:

- llama.cpp's importance matrix (our own collector): every token of every sequence;
- llm-compressor: every token of every sequence, one a batch, for each calibrated modifier;
- auto-gptq: the same;
- autoawq: joins all sequences and cuts them into blocks of the longest length; the rest is dropped, and
  sequences attend to their neighbours.

`tests/integration/calibration/test_effective_use.py` holds these sums against what the tools reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.calibration.shelf.tokens import TokensRecord
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.recipe import AutoAwqOptions, Calibration, Recipe
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.files.sealed import read_manifest

LEAST_SHARE = 0.5
"""A recipe that gets less of what it wants is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What was rendered for a recipe, in sequences and tokens, and what it cost to fit it in.

    `read` of `available` sequences were looked at before there were enough tokens; of those `too_short`
    were left out and `truncated` cut to `longest_tokens`.
    """

    available: int
    read: int
    sequences: int
    tokens: int
    too_short: int
    truncated: int
    longest_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveUse:
    """What a recipe takes: of `wanted_tokens`, `tokens` in `sequences` as its backend counts them.

    `dropped_tokens` were supplied and not taken.
    """

    recipe: str
    backend: str
    wanted_tokens: int
    supply: Supply
    sequences: int
    tokens: int

    @property
    def dropped_tokens(self) -> int:
        """Tokens that were supplied and that the backend leaves."""
        return self.supply.tokens - self.tokens

    @property
    def problem(self) -> str | None:
        """What makes the recipe pointless, None where it gets something."""
        return None if self.tokens else "no sequence has two tokens or more"

    @property
    def note(self) -> str | None:
        """What is worth a look."""
        remarks = []
        if self.tokens < LEAST_SHARE * self.wanted_tokens:
            share = self.tokens / self.wanted_tokens
            remarks.append(
                f"takes {self.tokens:,} of the {self.wanted_tokens:,} tokens it wants ({share:.0%})"
            )
        if self.dropped_tokens:
            remarks.append(f"{self.backend} drops the last {self.dropped_tokens:,} tokens")
        if self.supply.truncated:
            remarks.append(
                f"{self.supply.truncated} of {self.supply.read} sequences are cut to "
                f"{self.supply.longest_tokens:,} tokens"
            )
        if self.supply.too_short:
            remarks.append(
                f"{self.supply.too_short} sequences of less than two tokens are left out"
            )
        return "; ".join(remarks) or None


def effective_use(recipe: Recipe, supply: Supply) -> EffectiveUse:
    """Return what a recipe takes of what is supplied; nothing where it is not calibrated."""
    sequences, tokens = supply.sequences, supply.tokens
    if recipe.calibration is Calibration.NONE:
        sequences = tokens = 0
    elif isinstance(recipe.options, AutoAwqOptions) and tokens:
        block = min(supply.longest_tokens, tokens)
        sequences, tokens = tokens // block, tokens // block * block
    return EffectiveUse(
        recipe=recipe.name,
        backend=recipe.options.backend,
        wanted_tokens=recipe.calibration_tokens,
        supply=supply,
        sequences=sequences,
        tokens=tokens,
    )


def supply_of(corpus: Corpus, tokens: CalibrationTokens) -> Supply:
    """Return what was rendered of a corpus, from the sealed tokens that a build will read."""
    record = read_manifest(tokens.file.parent, TokensRecord).record
    return Supply(
        available=corpus.sequence_count,
        read=record.sequence_count + record.too_short,
        sequences=record.sequence_count,
        tokens=record.token_count,
        too_short=record.too_short,
        truncated=record.truncated,
        longest_tokens=record.max_length_tokens,
    )


def no_supply(corpus: Corpus) -> Supply:
    """Return what a recipe gets of a corpus in which every sequence is too short."""
    count = corpus.sequence_count
    return Supply(
        available=count,
        read=count,
        sequences=0,
        tokens=0,
        too_short=count,
        truncated=0,
        longest_tokens=0,
    )


def calibrated(recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """Return the recipes that take anything from a corpus."""
    return tuple(recipe for recipe in recipes if recipe.calibration is not Calibration.NONE)
