"""`quantgate compare BUILD_A BUILD_B`: two builds of a store, item by item."""

from collections.abc import Mapping

from quantgate.flows.cli.reports.builds import find_result
from quantgate.flows.cli.reports.compared_view import comparison_blocks
from quantgate.flows.cli.review import find_plan
from quantgate.flows.cli.transcripts import read_transcript
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.report.between.builds import ComparedBuild, compare_builds


def compare_builds_command(first: str, second: str, *, as_json: bool) -> int:
    """Print in what two builds differ, and what that did to every item."""
    settings = Settings.from_environment()
    compared = compare_builds(*(_opened(each, settings) for each in (first, second)))
    if as_json:
        print_json(to_json(compared))
    else:
        show(comparison_blocks(compared))
    return 0


def _opened(name: str, settings: Settings) -> ComparedBuild:
    result = find_result(name, settings.store)

    def answers(subject: str, key: Digest) -> Mapping[str, str] | None:
        folder = settings.store.run(subject, key)
        if not is_sealed(folder):
            return None
        return {answer.item_id: answer.text for answer in read_transcript(folder).answers}

    suite = find_plan(result.build, settings).suite
    return ComparedBuild(result=result, suite=suite, answers=answers)
