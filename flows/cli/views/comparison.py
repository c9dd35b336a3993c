"""What a comparison shows: facts in which two versions differ, and items that they answer unalike."""

from quantgate.flows.cli.views.plain import print_table
from quantgate.pipelines.report.wording import one_line
from quantgate.registry import ItemDifference, VersionComparison

_SHOWN_ITEMS = 50


def show_comparison(comparison: VersionComparison) -> None:
    """Print facts, then items: first those that only A gets right."""
    first, second = comparison.first, comparison.second
    print(f"A  {first.uri}  {first.facts.identifier}")
    print(f"B  {second.uri}  {second.facts.identifier}")
    print()
    if comparison.facts:
        print_table([("fact", "A", "B"), *((f.name, f.first, f.second) for f in comparison.facts)])
    else:
        print("they differ in no fact")
    print()
    if comparison.items is None:
        print(f"items: {comparison.problem}")
        return
    _show_items(comparison.items)
    if comparison.changed_answers is None:
        print("how many answers differ in words: the transcripts of both are not in this store")
    else:
        print(f"{comparison.changed_answers} answers differ in words")


def _show_items(items: tuple[ItemDifference, ...]) -> None:
    only_first = sum(item.first_is_right for item in items)
    print(f"only A is right on {only_first} items, only B on {len(items) - only_first}")
    for item in sorted(items, key=lambda item: not item.first_is_right)[:_SHOWN_ITEMS]:
        right = "A" if item.first_is_right else "B"
        print(f"  {item.item_id} ({', '.join(item.slices) or 'no slice'}): {right} is right")
        for name, answer in (("A", item.first_answer), ("B", item.second_answer)):
            if answer is not None:
                print(f"    {name}: {one_line(answer)}")
    if len(items) > _SHOWN_ITEMS:
        print(f"  and {len(items) - _SHOWN_ITEMS} more: --json lists them all")
