"""A variant's prediction: made before it is asked, sealed, and read back when its page is drawn."""

from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import sealed_references
from quantgate.pipelines.domain.prediction import Prediction
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.evaluation.order import reliable_margins
from quantgate.pipelines.files.sealed import is_sealed, produce_once, read_sealed
from quantgate.pipelines.files.sealed_values import Missing
from quantgate.pipelines.report.predictions.divergence import expected_divergence
from quantgate.pipelines.report.predictions.predicted import predicted
from quantgate.pipelines.report.stored.experience import experience_of
from quantgate.pipelines.variants.variant import PlannedVariant


def predict(build: LocalBuild, planned: PlannedVariant, run_key: Digest) -> None:
    """Seal which items a variant will break, before this run of it begins.

    Nothing of this build goes into it but the base's margins: what earlier builds of the store showed does.
    Where the runtime tells no margins nothing is sealed.

    Raises:
        InputError: where the base's sealed runs were altered.
    """
    references = sealed_references(build, planned.recipe.runtime)
    if isinstance(references, Missing):
        return
    margins = reliable_margins(references.value)
    if margins:
        produce_once(
            _folder(build, planned, run_key), Prediction, lambda _: _made(build, planned, margins)
        )


def sealed_prediction(
    build: LocalBuild, planned: PlannedVariant, run_key: Digest
) -> Prediction | None:
    """Return what was said of a variant before a run of it; None where nothing was."""
    folder = _folder(build, planned, run_key)
    return read_sealed(folder, Prediction).record if is_sealed(folder) else None


def _made(build: LocalBuild, planned: PlannedVariant, margins: dict[str, float]) -> Prediction:
    plan, store = build.plan, build.settings.store
    experience = build.experience(plan.name, lambda: experience_of(store, beside=plan.name))
    expected = expected_divergence(
        experience.divergences,
        recipe=planned.recipe.name,
        base_digest=plan.checkpoint.digests.combined,
        bits_per_weight=expected_size(plan.checkpoint, planned.recipe).bits_per_weight,
    )
    return predicted(margins, expected, experience.learned)


def _folder(build: LocalBuild, planned: PlannedVariant, run_key: Digest) -> Path:
    return build.settings.store.prediction(planned.identifier, run_key)
