"""`quantgate compare BUILD_A BUILD_B`: two builds of a store, item by item."""

from collections.abc import Mapping

from quantgate.flows.cli.reports.builds import find_result
from quantgate.flows.cli.reports.compared_view import comparison_blocks
from quantgate.flows.cli.review import find_plan
from quantgate.flows.cli.transcripts import read_transcript
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.between.builds import ComparedBuild, compare_builds


def compare_builds_command(first: str, second: str, *, as_json: bool) -> int:
    """Print in what two builds differ, and what that did to every item."""
    store = Settings.from_environment().store
    compared = compare_builds(opened(first, store), opened(second, store))
    if as_json:
        print_json(to_json(compared))
    else:
        show(comparison_blocks(compared))
    return 0


def opened(name: str, store: Store) -> ComparedBuild:
    """Return a build of a store as it is compared, by its name or how that begins.

    Raises:
        InputError: where none or several are called so, or what is kept of it cannot be read.
    """
    result = find_result(name, store)

    def answers(subject: str, key: Digest) -> Mapping[str, str] | None:
        folder = store.run(subject, key)
        if not is_sealed(folder):
            return None
        return {answer.item_id: answer.text for answer in read_transcript(folder).answers}

    if not (store.root / "plans" / result.build).is_dir():
        raise InputError(
            "has its result and no plan, which says what was asked: a demo's, or one that was cleared",
            where=result.build,
            next_step="compare builds that `quantgate quantize` made",
        )
    suite = find_plan(result.build, store).suite
    return ComparedBuild(result=result, suite=suite, answers=answers)
