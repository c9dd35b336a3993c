"""What MLflow's runs keep for people: the decision page, and a model card where a version was made."""

import shutil
from urllib.parse import urlencode

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.tracking import UNREACHABLE, tracking
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry import Evidence, Receipt
from quantgate.registry.cards.card import CardContent, model_card
from quantgate.registry.cards.publishing import published_artifact
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry
from quantgate.registry.questions.versions import RegisteredVersion

_PAGE, _CARD = "report.html", "card.md"


def keep_pages(
    build: LocalBuild, result: BuildResult, *, open_registry: OpenRegistry = open_mlflow
) -> bool:
    """Keep page and card in every run of a build; False where the registry does not answer just then.

    Verdicts do not depend on them: the next build that writes a report keeps them, too.
    """
    receipts = {receipt.evidence_key: receipt for receipt in result.receipts}
    if not receipts:
        return True
    try:
        registry = open_registry(tracking(build.settings))
        with temporary_folder() as work:
            shutil.copyfile(result.page, work / _PAGE)
            for receipt in receipts.values():
                registry.add_run_file(receipt.run_id, work / _PAGE)
            for planned in build.plan.variants:
                if planned.identifier in {error.identifier for error in result.errors}:
                    continue
                judged = evidence(build, planned)
                receipt_of = receipts.get(judged.key)
                if receipt_of is not None and receipt_of.version is not None:
                    (work / _CARD).write_text(_card(judged, receipt_of), encoding="utf-8")
                    registry.add_run_file(receipt_of.run_id, work / _CARD)
    except UNREACHABLE:
        return False
    return True


def page_address(build: LocalBuild, result: BuildResult) -> str | None:
    """Return where a browser gets the page from MLflow's server; None where there is none, or no run yet."""
    where = tracking(build.settings)
    if not where.is_server or not result.receipts:
        return None
    asked = urlencode({"path": _PAGE, "run_uuid": result.receipts[0].run_id})
    return f"{where.address.rstrip('/')}/get-artifact?{asked}"


def _card(judged: Evidence, receipt: Receipt) -> str:
    """Return a card as it would be published; where to is not known yet."""
    version = RegisteredVersion(
        model=receipt.model,
        version=receipt.version or "",
        aliases=(),
        run_id=receipt.run_id,
        facts=version_facts(judged),
    )
    return model_card(
        CardContent(
            version=version,
            verdict=judged.verdict,
            repository=f"ORG/{receipt.model}",
            artifact=published_artifact(judged.variant.folder),
        )
    )
