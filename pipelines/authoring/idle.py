"""Keys of a suite file that nothing comes of, since no item is of the kind that they are for."""

from collections.abc import Iterator

from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.suites.files import SuiteSpec


def idle_keys(spec: SuiteSpec, suite: Suite) -> Iterator[str]:
    """Yield a sentence for each of them."""
    if spec.decode.constrained and all(item.schema is None for item in suite.items):
        yield "decode.constrained: no item has a `schema` to bind its answer to"
    if "loops" in spec.model_fields_set and all(item.loop is None for item in suite.items):
        yield "loops: no item has `turns`"
    decodes = [suite.decode_of(item) for item in suite.items]
    if spec.decode.seed and all(each.temperature == 0 for each in decodes):
        yield "decode.seed: every answer is greedy, and nothing is drawn"
    unread = [
        item.id
        for item in suite.items
        if item.schema is not None
        and suite.grader_of(item).kind != "json"
        and not suite.decode_of(item).constrained
    ]
    if unread:
        yield (
            f"the `schema` of {len(unread)} items (the first is '{unread[0]}') is held against no "
            "answer: only grader json and decode.constrained do that"
        )
