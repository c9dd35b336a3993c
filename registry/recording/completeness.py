"""What a version needs before it may be: every digest of its lineage, each held against what is sealed.

A version without one of them could not be proved to anybody, and one that differs from its source proves
something else.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.run import Run, RunContract
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.evaluation.runs import RunRecord
from quantgate.pipelines.files.sealed import read_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.variants.variant import VariantRecord
from quantgate.registry.evidence import Evidence, JudgedTranscript
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import Digests, RuntimeFacts
from quantgate.registry.tags import NONE

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEXT_STEP = "run the same build again: what is missing or was altered is made anew"


def transcript_of(run: Run, store: Store) -> JudgedTranscript:
    """Return where a run is sealed, and its digest.

    Raises:
        InputError: where it is not sealed, or was altered since.
    """
    folder = store.run(run.subject, Digest(run.key))
    digest = read_sealed(folder, RunRecord).files_digest
    return JudgedTranscript(key=run.key, folder=folder, digest=digest)


def check_complete(evidence: Evidence) -> None:
    """Refuse to make a version of evidence whose lineage has a gap, or differs from what is sealed.

    Raises:
        InputError: naming every digest that is missing, and everything that differs.
    """
    facts = version_facts(evidence)
    missing = [*_missing_digests(evidence, facts.digests), *_missing_names(facts.runtime)]
    if missing:
        raise InputError(
            f"cannot be registered: its lineage lacks {', '.join(missing)}",
            where=evidence.variant.identifier,
            next_step=_NEXT_STEP,
        )
    differing = [*_differing_files(evidence), *_differing_runs(evidence)]
    if differing:
        raise InputError(
            f"cannot be registered: {'; '.join(differing)}",
            where=evidence.variant.identifier,
            next_step=_NEXT_STEP,
        )


def _missing_digests(evidence: Evidence, digests: Digests) -> Iterator[str]:
    recipe = evidence.variant.recipe
    uncalibrated = recipe.is_foreign or recipe.calibration is Calibration.NONE
    for name, digest in asdict(digests).items():
        unused = name == "corpus" and uncalibrated and digest == NONE
        if not unused and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            yield f"the digest of {_NAMES.get(name, name.replace('_', ' '))}"


_NAMES = {
    "variant_key": "the variant's key",
    "references": "the base's transcripts",
    "transcript": "the variant's transcript",
}


def _missing_names(runtime: RuntimeFacts) -> Iterator[str]:
    for name in ("engine", "version", "device"):
        if not getattr(runtime, name):
            yield f"the {name} it was judged in"


def _differing_files(evidence: Evidence) -> Iterator[str]:
    """Say where the variant is not what was sealed."""
    variant = evidence.variant
    manifest = read_sealed(variant.folder, VariantRecord)
    built = manifest.record.plan
    planned = replace(
        built,
        identifier=variant.identifier,
        recipe=variant.recipe,
        base=variant.base,
        corpus_label=variant.corpus_label,
        corpus_digest=variant.corpus_digest,
        toolchain=variant.toolchain,
    )
    if planned.files_key != built.files_key:
        yield "base, recipe, corpus or toolchain are not those that its files were built of"
    elif planned.key != variant.key:
        yield "its key is not that of its base, recipe, corpus and toolchain"
    if (manifest.files_digest, manifest.digest) != (variant.files_digest, variant.manifest_digest):
        yield "its files are not those that are sealed"


def _differing_runs(evidence: Evidence) -> Iterator[str]:
    """Say where the transcripts are not those that the verdict was made from."""
    verdict = evidence.verdict
    keys = [reference.key for reference in evidence.references[:1]]
    if keys != [verdict.reference_key]:
        yield "the verdict was made against another transcript of the base"
    for reference in evidence.references:
        yield from _differing_run(reference, verdict.contract, "the base's transcript", same=False)
    if evidence.transcript is None:
        return
    asked = (evidence.transcript, *evidence.transcript_repeats)
    if [transcript.key for transcript in asked] != [verdict.run_key, *verdict.repeat_keys]:
        yield "the verdict was made from another transcript of the variant"
    for number, transcript in enumerate(asked):
        schedule = verdict.contract.schedule
        if number:
            schedule = replace(schedule, order_seed=number)
        contract = replace(verdict.contract, schedule=schedule)
        yield from _differing_run(transcript, contract, "the variant's transcript", same=True)


def _differing_run(
    transcript: JudgedTranscript, contract: RunContract, name: str, *, same: bool
) -> Iterator[str]:
    """Say where a sealed run is not the one that is named; `same` asks for the very contract."""
    manifest = read_sealed(transcript.folder, RunRecord)
    if manifest.files_digest != transcript.digest:
        yield f"{name} was altered"
    if manifest.record.plan.key != transcript.key:
        yield f"{name} is another run's"
    asked = manifest.record.plan.contract
    alike = (
        asked == contract
        if same
        else (asked.suite_digest, asked.prompts_digest, asked.decode)
        == (contract.suite_digest, contract.prompts_digest, contract.decode)
    )
    if not alike:
        yield f"{name} was made under another contract (suite, prompts, engine, device, decode settings)"
