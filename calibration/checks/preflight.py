"""What a build's corpus is checked for before anything is built: it is refused, or one is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from quantgate.calibration.checks.contamination import Contamination
from quantgate.calibration.checks.effective_use import calibrated
from quantgate.calibration.checks.findings import coverage_of, overlap_of, use_of
from quantgate.calibration.checks.wording import contamination_text, lack_text
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.waiver import ContaminationWaiver
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store

_SHOWN = 10
_SHOWN_NOTES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What the checks of one corpus need. `chat` opens the checkpoint's format where a recipe calibrates."""

    corpus: Corpus
    suite: Suite
    checkpoint: Checkpoint
    recipes: tuple[Recipe, ...]
    waivers: tuple[ContaminationWaiver, ...]
    store: Store
    threads: int
    chat: Callable[[], ChatFormat]
    today: date


def preflight_corpus(
    flight: Preflight, say: Callable[[str], None]
) -> tuple[ContaminationWaiver, ...]:
    """Check a corpus before a build; return the waivers that were needed. All is kept by content.

    Raises:
        InputError: where items of the suite stand in the corpus and are not waived, or a recipe gets nothing.
    """
    used = refuse_contamination(flight)
    for waiver in used:
        say(f"waived contamination of {waiver}")
    for note in (*refuse_useless(flight), *coverage_notes(flight)):
        say(f"corpus {flight.corpus.label}: {note}")
    return used


def refuse_contamination(flight: Preflight) -> tuple[ContaminationWaiver, ...]:
    """Refuse a corpus that holds questions of the suite, but for those waived; return the waivers needed.

    Raises:
        InputError: naming the items with both texts, and waivers that have expired.
    """
    copies = overlap_of(flight.corpus, flight.suite, flight.store, flight.threads).found
    waived = {waiver.item_id: waiver for waiver in flight.waivers if waiver.holds_on(flight.today)}
    left = [copy for copy in copies if copy.item_id not in waived]
    if left:
        raise _refusal(left, flight)
    needed = dict.fromkeys(copy.item_id for copy in copies)
    return tuple(replace(waived[item_id], corpus=flight.corpus.label) for item_id in needed)


def refuse_useless(flight: Preflight) -> tuple[str, ...]:
    """Refuse a corpus of which a recipe gets nothing; return what is little, cut or dropped, by recipe.

    Raises:
        InputError: naming every such recipe.
    """
    wanting = calibrated(flight.recipes)
    if not wanting:
        return ()
    chat = flight.chat()
    scratch = flight.store.checkpoint(flight.checkpoint.digests.combined)
    context = flight.checkpoint.context_length_tokens
    uses = [
        use_of(flight.corpus, recipe, chat, context_length_tokens=context, scratch=scratch).use
        for recipe in wanting
    ]
    useless = [f"{use.recipe}: {use.problem}" for use in uses if use.problem]
    if useless:
        named = "\n  ".join(useless)
        raise InputError(
            f"recipes would get nothing of this corpus:\n  {named}",
            where=f"corpus {flight.corpus.label}",
            next_step="add longer sequences to the corpus, or leave these recipes out",
        )
    notes: dict[str, list[str]] = {}
    for use in uses:
        if use.note:
            notes.setdefault(use.note, []).append(use.recipe)
    return tuple(f"{', '.join(names)}: {note}" for note, names in notes.items())


def coverage_notes(flight: Preflight) -> tuple[str, ...]:
    """Return what slices test and the corpus lacks, the first few."""
    lacking = coverage_of(flight.corpus, flight.suite, flight.store).lacks
    notes = [lack_text(lack) for lack in lacking[:_SHOWN_NOTES]]
    if len(lacking) > _SHOWN_NOTES:
        more = len(lacking) - _SHOWN_NOTES
        notes.append(f"{more} more lacks: `quantgate corpus check` names them")
    return tuple(notes)


def _refusal(left: Sequence[Contamination], flight: Preflight) -> InputError:
    named = "\n  ".join(contamination_text(copy) for copy in left[:_SHOWN])
    more = f"\n  and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    items = {copy.item_id for copy in left}
    expired = [
        str(waiver)
        for waiver in flight.waivers
        if not waiver.holds_on(flight.today) and waiver.item_id in items
    ]
    lapsed = f"\n  waivers that have expired: {'; '.join(expired)}" if expired else ""
    return InputError(
        f"{len(left)} items of suite {flight.suite.name} stand in the corpus:\n  {named}{more}{lapsed}",
        where=f"corpus {flight.corpus.label}",
        next_step="take these sequences out of the corpus or the items out of the suite, or waive items by "
        "name in the build file (`contamination_waivers`)",
    )
