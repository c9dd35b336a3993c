"""What MLflow's own pages say of a version and of its model, for people who never saw the command line.

A version's text has a head, which follows from its tags alone, then one section for each suite that judged it
and one on using it. So a verdict made later, or a decision of somebody's, rewrites the head and its own
section, and leaves the others as they are.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.registry.champions.decisions import retirement, waiver_of
from quantgate.registry.champions.judged import on_suite, suites_of
from quantgate.registry.facts import PASSED, VersionFacts, from_tags
from quantgate.registry.lineage_tag import LINEAGE
from quantgate.registry.markdown import flips_table, slices_table, table
from quantgate.registry.protocol import RecordedVersion
from quantgate.registry.seals import SEAL
from quantgate.registry.serving import serving_command
from quantgate.registry.tags import NONE

_ROOM = "&nbsp;"
"""A paragraph that is empty: MLflow's pages leave no room below tables."""
_SECTION = re.compile(r"^## (?P<heading>.+)$", re.MULTILINE)


def version_description(
    model: str, version: RecordedVersion, suite: str = "", verdict: Verdict | None = None
) -> str:
    """Return a version's text, where `verdict` was just made on `suite`; other sections stay."""
    sections = _sections(version.description)
    if verdict is not None:
        tables = f"{slices_table(verdict)}\n\n{flips_table(verdict)}\n\n{_ROOM}"
        sections[_heading(suite)] = _spaced(tables)
    facts = from_tags(version.tags, f"models:/{model}/{version.number}")
    headings = (
        heading for heading in map(_heading, suites_of(version.tags)) if heading in sections
    )
    judged = [f"## {heading}\n\n{sections[heading]}" for heading in headings]
    return "\n\n".join((_head(facts, version), *judged, _use(model, version.number, facts)))


def model_description(facts: VersionFacts) -> str:
    """Return a registered model's text; any of its versions tells it."""
    return (
        f"Quantized variants of `{facts.source}` that passed a test suite, each held against its base item "
        "by item. What did not pass is a run of the experiment of this name, with its evidence, and no "
        "version.\n\n"
        f"**Which one to use:** the alias of your suite, such as `@{facts.suite_name}`. It points at the "
        "smallest version that passes, and moves by itself when newer evidence wins; every move is kept with "
        "its reason in the tags `alias_change.…`. An alias that is moved by hand is put back.\n\n"
        "quantgate (`pip install quantgate`, then `quantgate lookup`) writes versions and tags, and seals "
        "them: a version that is edited here is not returned by its look-ups any more. Of a version's tags, "
        f"`{LINEAGE}` holds every digest of what it was made from and judged by, and `{SEAL}` is the seal; "
        "its run has each of them as a tag of its own."
    )


def _heading(suite: str) -> str:
    return f"Slices of {suite}"


def _spaced(tables: str) -> str:
    """Keep the columns of tables apart: MLflow's page of a version leaves no room between cells.

    The line below the headings holds dashes alone; with anything else in it there is no table.
    """
    return "\n".join(
        line if line.startswith("| ---") else line.replace(" | ", " &nbsp; | ")
        for line in tables.split("\n")
    )


def _sections(description: str) -> dict[str, str]:
    """Return a text's sections by heading."""
    starts = list(_SECTION.finditer(description))
    ends = [*(start.start() for start in starts), len(description)]
    return {
        start["heading"]: description[start.end() : end].strip()
        for start, end in zip(starts, ends[1:], strict=True)
    }


def _head(facts: VersionFacts, version: RecordedVersion) -> str:
    """Say what holds now: the verdict of each suite, and whether the version is out of use."""
    lines = [_judged(version.tags, suite) for suite in suites_of(version.tags)]
    if (retired := retirement(version.tags)) is not None:
        lines.insert(0, f"Out of use: retired by {retired.who}: {retired.reason}")
    bits = facts.file_bits_per_weight or facts.bits_per_weight
    rows = [
        ("numerics (weights/activations/KV cache)", facts.numerics),
        ("format", facts.format),
        ("size", f"{facts.size_bytes:,} bytes, {bits:.2f} bits a weight"),
        ("made from", facts.source),
        ("recipe", f"{facts.recipe} ({facts.algorithm})"),
        ("calibrated on", "nothing" if facts.corpus == NONE else facts.corpus),
    ]
    return "\n\n".join((*lines, _spaced(table(("", ""), rows)), _ROOM))


def _judged(tags: Mapping[str, str], suite: str) -> str:
    seen = from_tags(on_suite(tags, suite) or tags, suite)
    share = "" if seen.accuracy is None else f" It gets {seen.accuracy:.1%} of the items right"
    if share and seen.reference_accuracy is not None:
        share += f", its base {seen.reference_accuracy:.1%}"
    unproven = (
        f" Too few items to prove anything on: {', '.join(seen.unproven_slices)}."
        if seen.unproven_slices
        else ""
    )
    said = (
        f"Passes the test suite {seen.suite} in {seen.runtime}."
        if seen.verdict == PASSED
        else f"Does **not** pass the test suite {seen.suite} ({seen.verdict}) in {seen.runtime}."
    )
    return said + (f"{share}." if share else "") + unproven + _waived(tags, seen, suite)


def _waived(tags: Mapping[str, str], seen: VersionFacts, suite: str) -> str:
    waiver = waiver_of(tags, suite)
    if waiver is not None and waiver.evidence_key == seen.evidence_key:
        past = "" if waiver.holds_on(datetime.now(UTC).date()) else ", which is past"
        return f" **Waived until {waiver.until}**{past}: {waiver.reason} ({waiver.who})."
    return "" if seen.waiver == NONE else f" Waived: {seen.waiver}."


def _use(model: str, number: str, facts: VersionFacts) -> str:
    address = f"models:/{model}/{number}"
    artifact = Path(facts.artifact)
    return (
        "## Use it\n\n"
        f"Answers, in the runtime it was judged in:\n\n```python\nimport mlflow\n\n"
        f'model = mlflow.pyfunc.load_model("{address}")\n'
        'model.predict([{"messages": [{"role": "user", "content": "Hello"}]}])\n```\n\n'
        f"Over HTTP: `mlflow models serve -m {address} --env-manager local`\n\n"
        f"Its files, verified: `pip install quantgate`, `quantgate pull {model}/{number} --to models`, then "
        f"`{serving_command(facts, Path(artifact.name))}`"
    )
