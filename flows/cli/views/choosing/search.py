"""What a person sees of a search: what it came to, and what it did not have to evaluate."""

from collections.abc import Iterator

from quantgate.flows.build.results.build_result import BuildResult
from quantgate.pipelines.report.wording import plural

_NAMED_AT_MOST = 12


def search_lines(result: BuildResult) -> Iterator[str]:
    """Yield plain sentences about a build's search; none where it was none."""
    search = result.details.get("search")
    if not isinstance(search, dict):
        return
    tried, untried = search["tried"], search["untried"]
    assert isinstance(tried, list) and isinstance(untried, list)
    asked, all_of_it = search["evaluations"], search["exhaustive_evaluations"]
    sequences, each = search["sequences"], search["confidence_each"]
    assert isinstance(asked, int) and isinstance(all_of_it, int)
    assert isinstance(sequences, int) and isinstance(each, float)
    best = search["best"] or "nothing that passes"
    yield (
        f"search by {search['goal']}: {best}, by {plural(len(tried), 'variant')} and {asked:,} answers; "
        f"asking every recipe takes {all_of_it:,}"
    )
    yield (
        f"each variant was held to {100 * each:.2f} %, so that all of the search errs in at most "
        f"{100 * sequences * (1 - each):.3g} %"
    )
    names = [str(entry["identifier"]) for entry in untried if isinstance(entry, dict)]
    if names:
        more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
        yield f"not evaluated: {', '.join(names[:_NAMED_AT_MOST])}{more}"
