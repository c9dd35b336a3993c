"""Checks made before any item is asked. Each returns one finding; a miss fails the variant."""

from collections.abc import Iterator

from quantgate.pipelines.audit.foreign import audit_foreign_template, audit_making
from quantgate.pipelines.audit.metadata import audit_configuration, audit_foreign_configuration
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.variant import BuildFacts, Variant
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.engines.requests import ProbeReport

_SHOWN = 5
_NONE = -1


def audit_variant(
    variant: Variant, checkpoint: Checkpoint, base: ProbeReport, probe: ProbeReport
) -> AuditReport:
    """Hold a variant's facts and probe against its recipe, its checkpoint and the base's own probe.

    What somebody else made has no recipe: the base alone is what it is held to.
    """
    options = variant.recipe.options
    if isinstance(options, ForeignOptions):
        promises: tuple[AuditFinding, ...] = (audit_making(options), _finite(variant))
        template = audit_foreign_template(options, base.chat_template, probe.chat_template)
        configuration = audit_foreign_configuration
    else:
        promises = _promises(variant, checkpoint)
        template = _template(base.chat_template, probe)
        configuration = audit_configuration
    return AuditReport(
        findings=(
            *promises,
            _equal("loads in its runtime", True, probe.loads, probe.detail),
            _equal("logits are finite", True, probe.finite_logits, probe.detail),
            *_tokenizer(base, probe),
            template,
            configuration(base.configuration, probe.configuration),
        )
    )


def audit_base(
    probe: ProbeReport,
    chat_template: str,
    stop_token_ids: tuple[int, ...],
    notes: tuple[str, ...] = (),
) -> AuditReport:
    """Hold the base, as a runtime loads it, against the checkpoint's own tokenizer and template.

    `notes` say what of the checkpoint's tokenizer files was left aside.
    """
    return AuditReport(
        findings=(
            _equal("loads in its runtime", True, probe.loads, probe.detail),
            _equal("logits are finite", True, probe.finite_logits, probe.detail),
            _parity(probe),
            _template(chat_template, probe),
            _end(stop_token_ids, probe),
            *(_left_aside(note) for note in notes),
        )
    )


def audit_files(problem: InputError | None) -> AuditFinding:
    """Return the finding on a variant's files, read again after engines have had them."""
    return AuditFinding(
        check="file checksums",
        passed=problem is None,
        promised="every byte as it was sealed",
        found=str(problem) if problem else "equal",
    )


def unreadable(what: str) -> AuditFinding:
    """Return the finding on an artifact whose own headers cannot be read."""
    return AuditFinding(
        check="headers can be read", passed=False, promised="whole and well-formed", found=what
    )


def _promises(variant: Variant, checkpoint: Checkpoint) -> tuple[AuditFinding, ...]:
    """Hold what its builder says of it to what its recipe promises."""
    return (
        _layers(variant),
        _finite(variant),
        _calibration(variant),
        _coverage(variant),
        _source(variant, checkpoint),
    )


def _layers(variant: Variant) -> AuditFinding:
    promised, missed = variant.facts.promised, variant.facts.missed
    counted = f"{len(promised) - len(missed)} of {len(promised)}"
    if missed:
        counted += f"; not quantized: {_some(missed)}"
    return AuditFinding(
        check="layers quantized",
        passed=bool(promised) and not missed,
        promised=f"all {len(promised)} that the recipe targets" if promised else "at least one",
        found=counted,
    )


def _finite(variant: Variant) -> AuditFinding:
    broken = variant.facts.nonfinite_tensors
    return AuditFinding(
        check="weights and scales are finite",
        passed=not broken,
        promised="no NaN, no infinity",
        found=f"{len(broken)} tensors with NaN or infinity: {_some(broken)}" if broken else "none",
    )


def _calibration(variant: Variant) -> AuditFinding:
    facts, needed = variant.facts, variant.recipe.calibration is not Calibration.NONE
    return AuditFinding(
        check="calibration tokens really used",
        passed=facts.calibration_tokens > 0 if needed else facts.calibration_tokens == 0,
        promised=f"more than 0, from {variant.corpus_label}" if needed else "none",
        found=f"{facts.calibration_tokens} tokens in {facts.calibration_sequences} sequences",
    )


def _coverage(variant: Variant) -> AuditFinding:
    """A weight without calibration statistics is quantized without them, and no tool says so."""
    starved = variant.facts.uncovered
    reached = f"{len(starved)} never reached: {_some(starved)}" if starved else "all"
    return AuditFinding(
        check="calibration reached every weight",
        passed=not starved,
        promised="all that calibration weighs",
        found="; ".join([reached, *_chosen_experts(variant.facts)]),
    )


def _chosen_experts(facts: BuildFacts) -> Iterator[str]:
    """Yield what a mixture's router itself made of the corpus: tools feed experts that it never chose."""
    if facts.experts:
        chosen = len(facts.experts) - len(facts.unchosen)
        never = f", never {_some(facts.unchosen)}" if facts.unchosen else ""
        yield f"the router chose {chosen} of {len(facts.experts)} experts{never}"


def _source(variant: Variant, checkpoint: Checkpoint) -> AuditFinding:
    return AuditFinding(
        check="made from this base",
        passed=variant.base == checkpoint.digests,
        promised=checkpoint.digests.combined[:16],
        found=variant.base.combined[:16],
    )


def _tokenizer(base: ProbeReport, probe: ProbeReport) -> tuple[AuditFinding, ...]:
    return (
        _parity(probe),
        _equal("vocabulary size", base.vocabulary_size, probe.vocabulary_size),
        _equal(
            "beginning-of-sequence id",
            base.beginning_of_sequence_id,
            probe.beginning_of_sequence_id,
        ),
        _equal("end-of-sequence id", base.end_of_sequence_id, probe.end_of_sequence_id),
    )


def _end(stop_token_ids: tuple[int, ...], probe: ProbeReport) -> AuditFinding:
    """A checkpoint may end answers with several ids; a GGUF names one of them."""
    return AuditFinding(
        check="end-of-sequence id",
        passed=probe.end_of_sequence_id in (stop_token_ids or (_NONE,)),
        promised=" or ".join(map(str, stop_token_ids)) or "none",
        found=str(probe.end_of_sequence_id),
    )


def _template(chat_template: str, probe: ProbeReport) -> AuditFinding:
    equal = probe.chat_template == chat_template
    return AuditFinding(
        check="chat template",
        passed=equal,
        promised="equal to the base's",
        found="equal" if equal else "differs",
    )


def _left_aside(note: str) -> AuditFinding:
    return AuditFinding(
        check="tokenizer files",
        passed=True,
        promised="read as transformers reads them",
        found=note,
    )


def _parity(probe: ProbeReport) -> AuditFinding:
    wrong = probe.mismatched_texts
    counted = f"{probe.compared_texts - len(wrong)} of {probe.compared_texts} texts"
    return AuditFinding(
        check="token ids equal the base's",
        passed=probe.compared_texts > 0 and not wrong,
        promised="every text of corpus and suite",
        found=f"{counted}; first differing: {_some(wrong)}" if wrong else counted,
    )


def _equal(check: str, promised: object, observed: object, detail: str = "") -> AuditFinding:
    passed = promised == observed
    shown = "yes" if observed is True else "no" if observed is False else str(observed)
    return AuditFinding(
        check=check,
        passed=passed,
        promised="yes" if promised is True else str(promised),
        found=shown if passed or not detail else f"{shown} ({detail})",
    )


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
