"""What a history shows: versions, and what aliases stood for."""

from quantgate.flows.cli.views.plain import print_table
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.registry import HistoryEntry, ModelHistory


def show_history(history: ModelHistory) -> None:
    """Print versions newest first, then changes of aliases, oldest first."""
    print_table(
        [
            ("version", "registered (UTC)", "variant", "size", "verdict", "suite"),
            *map(_row, history.versions),
        ]
    )
    if history.older:
        print(f"and older ones: quantgate history {history.model} --all")
    print()
    for change in history.changes:
        before, after = (f"version {n}" if n else "nothing" for n in (change.before, change.after))
        print(
            f"{change.at}  @{change.alias}: {before} → {after}, by {change.actor}: {change.reason}"
        )
    if not history.changes:
        print("when and why an alias was pointed elsewhere was not recorded")


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    version = entry.version + "".join(f" @{alias}" for alias in entry.aliases)
    registered, facts = entry.registered_at.removesuffix("+00:00"), entry.facts
    if facts is None:
        return version, registered, "–", "–", "–", entry.problem
    waived = "" if facts.waiver == "none" else " (waived)"
    return (
        version,
        registered,
        facts.identifier,
        megabytes(facts.size_bytes),
        facts.verdict + waived,
        facts.suite,
    )
