"""`quantgate corpus diff`: what changed from one corpus to another."""

from collections.abc import Iterator
from dataclasses import asdict

from quantgate.calibration.shelf.comparison import compare
from quantgate.calibration.shelf.model_tokens import counted_tokens
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.cli.views.corpus import TokenChange, comparison_sections
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.values import JsonValue


def diff_command(earlier: str, later: str, *, as_json: bool) -> int:
    """Print what changed from one corpus to another."""
    settings = Settings.from_environment()
    before, after = find_corpus(earlier, settings), find_corpus(later, settings)
    comparison = compare(before, after)
    tokens = tuple(_token_changes(before, after))
    if as_json:
        changes: list[JsonValue] = [asdict(change) for change in tokens]
        print_json({"tokens": changes, **asdict(comparison)})
    else:
        show(comparison_sections(comparison, tokens))
    return 0


def _token_changes(before: Corpus, after: Corpus) -> Iterator[TokenChange]:
    """Yield the tokens of both as each model counts them whose tokenizer counted both."""
    earlier = {tokens.statistics.tokenizer: tokens for tokens in counted_tokens(before)}
    for tokens in counted_tokens(after):
        if counted := earlier.get(tokens.statistics.tokenizer):
            yield TokenChange(
                model=tokens.model,
                before=counted.statistics.tokens.total,
                after=tokens.statistics.tokens.total,
            )
