"""`quantgate card` and `quantgate publish`: a version's model card, and all of it on a hub."""

import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.records import from_json_text, write_together
from quantgate.registry import RegisteredVersion, Tracking, verify
from quantgate.registry.attesting.verification import store_attestations
from quantgate.registry.cards.card import CardContent, evaluation_results, model_card
from quantgate.registry.cards.publishing import (
    CARD,
    RESULTS,
    Publication,
    check_publishable,
    check_repository,
    outcome,
    publication,
    publish,
    published_artifact,
)
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import OpenReader
from quantgate.registry.questions.references import resolve

_VERDICT = "verdict.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The command line of `quantgate publish`."""

    reference: str
    repository: str
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


def card_command(reference: str, repository: str | None, folder: Path | None) -> int:
    """Print a version's card, or write it with its results into a folder."""
    content = card_content(reference, repository or "OWNER/NAME", Settings.from_environment())
    if folder is None:
        print(model_card(content), end="")
        return 0
    place = at_home(folder)
    write_together(
        {
            place / CARD: model_card(content).encode(),
            place / RESULTS: evaluation_results(content).encode(),
        }
    )
    print(place / CARD)
    return 0


def publish_command(options: PublishOptions) -> int:
    """Say what would be published, and publish it where `--yes` or a person at the terminal says so."""
    settings = Settings.from_environment()
    check_repository(options.repository)
    content = card_content(options.reference, options.repository, settings)
    verify(content.version)
    kept = store_attestations(settings.store, content.facts.evidence_key)
    what = publication(content, tuple(sorted(kept.glob("[!.]*"))))
    if not options.as_json:
        _show(what, content, settings)
    if options.dry_run or not (options.yes or _agreed(options)):
        if options.as_json:
            print_plain_json(_json(what, url=None))
        elif not options.dry_run:
            print("nothing was published: --yes publishes it without a question")
        return 0
    published = publish(what, settings.hub, outcome(content.facts))
    if options.as_json:
        print_plain_json(_json(what, url=published.url))
    elif published.is_new:
        print(f"published  {published.url}")
    else:
        print(f"nothing has changed: {published.url} holds all of it")
    return 0


def card_content(
    reference: str,
    repository: str,
    settings: Settings,
    *,
    open_reader: OpenReader = open_reader,
) -> CardContent:
    """Return what the card of a version says.

    Raises:
        InputError: it is not to be published, or its verdict cannot be read.
        NotFoundError, ServiceError: as `resolve`.
    """
    tracking = Tracking.resolve(settings.store, uri=settings.tracking_uri)
    with open_reader(tracking) as reader:
        version = resolve(reader, reference, tracking)
        held = reader.version(version.model, version.version)
        text = reader.run_file(version.run_id, _VERDICT)
    if held is None:
        raise NotFoundError(
            "was deleted just now",
            where=version.uri,
            next_step="`quantgate history NAME` lists what is registered",
        )
    check_publishable(held, version.facts.suite_name, version.uri)
    if text is None:
        raise InputError(
            f"its verdict cannot be read (run {version.run_id})",
            where=version.uri,
            next_step="run it where the artifacts of that run can be reached",
        )
    return CardContent(
        version=version,
        verdict=_verdict(text, version),
        repository=repository,
        artifact=published_artifact(version.folder),
    )


def _verdict(text: bytes, version: RegisteredVersion) -> Verdict:
    """Read a kept verdict and hold it against what is registered.

    Raises:
        InputError: it is damaged, or another one.
    """
    try:
        verdict = from_json_text(Verdict, text)
    except (ValueError, ValidationError) as error:
        raise InputError(
            "its verdict is damaged or of another version",
            where=version.uri,
            next_step="run the same build again, and publish what it registers",
        ) from error
    facts = version.facts
    accuracy = verdict.whole.statistics.variant_accuracy if verdict.whole else None
    kept = verdict.decision.value, verdict.suite_digest, accuracy
    if kept != (facts.verdict, facts.digests.suite, facts.accuracy):
        raise InputError(
            "the verdict that its run keeps is not the one that is registered",
            where=version.uri,
            next_step="run the same build again, and publish what it registers",
        )
    return verdict


def _show(what: Publication, content: CardContent, settings: Settings) -> None:
    print(f"{content.version.uri}: every byte is as registered")
    print(f"to {settings.hub.endpoint}/{what.repository}: {megabytes(what.size_bytes)}")
    for name in sorted((*what.texts, *what.files)):
        print(f"  {name}")


def _agreed(options: PublishOptions) -> bool:
    if options.as_json or not sys.stdin.isatty():
        return False
    print("publish this? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _json(what: Publication, *, url: str | None) -> dict[str, object]:
    return {
        "repository": what.repository,
        "published": url,
        "size_bytes": what.size_bytes,
        "files": sorted((*what.texts, *what.files)),
    }
