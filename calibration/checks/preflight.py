"""What a build's corpus is checked for before anything is built: it is refused, or one is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from quantgate.calibration.checks.check import contamination_text, lack_text
from quantgate.calibration.checks.contamination import Contamination
from quantgate.calibration.checks.effective_use import calibrated
from quantgate.calibration.checks.findings import look_at, overlap_of, use_of
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
    found = overlap_of(flight.corpus, flight.suite, flight.store, flight.threads).found
    waived = {one.item_id: one for one in flight.waivers if one.holds_on(flight.today)}
    left = [one for one in found if one.item_id not in waived]
    if left:
        raise _refusal(left, flight)
    needed = dict.fromkeys(one.item_id for one in found)
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
        told = "\n  ".join(useless)
        raise InputError(
            f"recipes would get nothing of this corpus:\n  {told}",
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
    found = look_at(flight.corpus, flight.suite, flight.store).lacks
    told = [lack_text(one) for one in found[:_SHOWN_NOTES]]
    if len(found) > _SHOWN_NOTES:
        more = len(found) - _SHOWN_NOTES
        told.append(f"{more} more lacks: `quantgate corpus check` names them")
    return tuple(told)


def _refusal(left: Sequence[Contamination], flight: Preflight) -> InputError:
    told = "\n  ".join(contamination_text(one) for one in left[:_SHOWN])
    more = f"\n  and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    expired = [
        str(one)
        for one in flight.waivers
        if not one.holds_on(flight.today) and one.item_id in {each.item_id for each in left}
    ]
    lapsed = f"\n  waivers that have expired: {'; '.join(expired)}" if expired else ""
    return InputError(
        f"{len(left)} items of suite {flight.suite.name} stand in the corpus:\n  {told}{more}{lapsed}",
        where=f"corpus {flight.corpus.label}",
        next_step="take these sequences out of the corpus or the items out of the suite, or waive items by "
        "name in the build file (`contamination_waivers`)",
    )
