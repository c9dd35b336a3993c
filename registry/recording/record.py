"""Record evidence: one run per judged variant, and a version of the registered model where it passed.

Every step looks for what an earlier, interrupted call left and completes it, so that the same evidence
leaves one run and one version however often, wherever and however rudely it is recorded.
"""

from dataclasses import replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed import Manifest, is_sealed, read_manifest
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.evidence import Evidence, check_evidence, version_facts
from quantgate.registry.facts import VERSION_TAGS, VersionFacts, to_tags
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry, Registry
from quantgate.registry.recording.completeness import check_complete
from quantgate.registry.recording.content import (
    run_content,
    run_tags,
    write_files,
    write_model_manifest,
)
from quantgate.registry.recording.receipts import Receipt, write_receipt
from quantgate.registry.recording.suite_contents import other_content
from quantgate.registry.recording.versions import put_version
from quantgate.registry.recording.weights import send_weights
from quantgate.registry.tags import Renewal
from quantgate.registry.tracking import Tracking


def record(
    evidence: Evidence, tracking: Tracking, *, open_registry: OpenRegistry = open_mlflow
) -> Receipt:
    """Record one judged variant in MLflow and return where it stands; the receipt is kept in the store.

    A variant that passed becomes a version of the registered model, or its version, if other suites judged
    it before, says so too; the suite's alias is pointed at its champion (`registry.champions.choice`). One
    that did not is a run with its evidence; a version that earlier evidence had made of the same files says
    so from then on and is champion no more.

    Raises:
        InputError: evidence that does not belong together or of which a digest is missing, names MLflow
            cannot carry, altered variant, or a suite whose version another content of it has in this
            registry.
        ServiceError: MLflow did not answer or refused.
    """
    check_evidence(evidence)
    manifest = _sealed_manifest(evidence)
    if evidence.passed:
        check_complete(evidence)
    facts = version_facts(evidence)
    with exclusive(tracking.store.root / "registry.lock"):
        registry = open_registry(tracking)
        _refuse_other_content(registry, evidence, facts, tracking)
        experiment_id = registry.experiment(evidence.model)
        run_id = _ensure_run(registry, experiment_id, evidence, manifest)
        if evidence.passed:
            place = send_weights(registry, run_id, evidence, manifest, tracking)
            evidence = replace(evidence, place=place)
        standing = put_version(registry, run_id, experiment_id, evidence)
        receipt = Receipt(
            uri=tracking.shown,
            evidence_key=evidence.key,
            version_key=evidence.version_key,
            scope=evidence.scope,
            decision=evidence.verdict.decision.value,
            model=evidence.model,
            alias=evidence.suite.name,
            experiment_id=experiment_id,
            run_id=run_id,
            version=standing.version,
            subject_key=evidence.subject_key,
            alias_change=standing.change,
            location=facts.location,
            manifest_digest=facts.digests.manifest,
        )
        write_receipt(receipt, tracking)
    return receipt


def _refuse_other_content(
    registry: Registry, evidence: Evidence, facts: VersionFacts, tracking: Tracking
) -> None:
    """`suite@version` is one content for all who share a registry; a store knows only its own builds.

    An imported suite (a sealed folder) is nobody's to edit, and its version is its source's.
    """
    if is_sealed(evidence.suite.folder):
        return
    registered = registry.first_content(facts.suite)
    if registered is not None and registered != evidence.suite.digest:
        raise InputError(
            other_content(evidence.suite, registered),
            where=tracking.shown,
            next_step=f"raise `version:` in {evidence.suite.folder / 'suite.yaml'}",
        )


def _sealed_manifest(evidence: Evidence) -> Manifest[object]:
    variant = evidence.variant
    manifest: Manifest[object] = read_manifest(variant.folder, object)
    if (manifest.files_digest, manifest.digest) != (variant.files_digest, variant.manifest_digest):
        raise InputError(
            "the sealed folder is not the one that was judged",
            where=str(variant.folder),
            next_step="run the same build again",
        )
    return manifest


def _ensure_run(
    registry: Registry, experiment_id: str, evidence: Evidence, manifest: Manifest[object]
) -> str:
    run = registry.find_run(experiment_id, evidence.key)
    tags = run_tags(version_facts(evidence))
    if run is None:
        run = registry.start_run(experiment_id, evidence.variant.identifier, tags)
    elif run.finished:
        _refresh_run(registry, run.id, evidence, manifest)
    if not run.finished:
        with temporary_folder() as work:
            files, model = work / "files", work / "model"
            files.mkdir()
            model.mkdir()
            write_files(evidence, manifest, files)
            registry.fill_run(run.id, run_content(evidence), files)
            if evidence.passed:
                write_model_manifest(evidence, manifest, model / "manifest.json")
                registry.add_model(run.id, model / "manifest.json", model)
        registry.finish_run(run.id)
    return run.id


def _refresh_run(
    registry: Registry, run_id: str, evidence: Evidence, manifest: Manifest[object]
) -> None:
    """The same evidence is recorded again: where its files lie now is what may have changed."""
    tags = to_tags(version_facts(evidence))
    for tag in VERSION_TAGS:
        if tag.renewal is Renewal.PLACE:
            registry.set_run_tag(run_id, tag.name, tags[tag.name])
    if evidence.passed:
        with temporary_folder() as work:
            write_model_manifest(evidence, manifest, work / "manifest.json")
            registry.add_model(run_id, work / "manifest.json", work)
