"""Record evidence: one run per judged variant, and a version of the registered model where it passed.

Every step looks for what an earlier, interrupted call left and completes it, so that the same evidence
leaves one run and one version however often, wherever and however rudely it is recorded.
"""

from dataclasses import replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed import Manifest, is_sealed, read_manifest
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.champions.descriptions import model_description, version_description
from quantgate.registry.evidence import Evidence, check_evidence
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import VERSION_TAGS, VersionFacts, from_tags, to_tags
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import (
    OpenRegistry,
    RecordedRun,
    RecordedVersion,
    Registry,
)
from quantgate.registry.recording.completeness import check_complete
from quantgate.registry.recording.content import (
    run_content,
    run_tags,
    write_files,
)
from quantgate.registry.recording.model_manifest import write_model_manifest
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
        run = _run(registry, experiment_id, evidence)
        if evidence.passed:
            place = send_weights(registry, run.id, evidence, manifest, tracking)
            evidence = replace(evidence, place=place)
        _complete_run(registry, run, evidence, manifest)
        standing = put_version(registry, run.id, experiment_id, evidence)
        if standing.held is not None:
            _renew_model(registry, standing.held, evidence, manifest)
            _describe(registry, standing.held, evidence)
        receipt = Receipt(
            uri=tracking.shown,
            evidence_key=evidence.key,
            version_key=evidence.version_key,
            scope=evidence.scope,
            decision=evidence.verdict.decision.value,
            model=evidence.model,
            alias=evidence.suite.name,
            experiment_id=experiment_id,
            run_id=run.id,
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


def _run(registry: Registry, experiment_id: str, evidence: Evidence) -> RecordedRun:
    run = registry.find_run(experiment_id, evidence.key)
    tags = run_tags(version_facts(evidence))
    return run or registry.start_run(experiment_id, evidence.variant.identifier, tags)


def _complete_run(
    registry: Registry, run: RecordedRun, evidence: Evidence, manifest: Manifest[object]
) -> None:
    """Fill a run that is not finished; of one that is, only where its files lie may have changed."""
    if run.finished:
        tags = to_tags(version_facts(evidence))
        for tag in VERSION_TAGS:
            if tag.renewal is Renewal.PLACE:
                registry.set_run_tag(run.id, tag.name, tags[tag.name])
        return
    with temporary_folder() as work:
        files, model = work / "files", work / "model"
        files.mkdir()
        model.mkdir()
        if evidence.passed:
            write_model_manifest(evidence, manifest, model / "manifest.json")
            registry.add_model(run.id, model / "manifest.json", model)
        write_files(evidence, manifest, files)
        registry.fill_run(run.id, run_content(evidence), files)
    registry.finish_run(run.id)


def _renew_model(
    registry: Registry, version: RecordedVersion, evidence: Evidence, manifest: Manifest[object]
) -> None:
    """What MLflow loads knows of all suites that judged the version, and where its files lie now."""
    with temporary_folder() as work:
        write_model_manifest(evidence, manifest, work / "manifest.json", version.tags)
        registry.renew_model(version.run_id, work / "manifest.json")


def _describe(registry: Registry, version: RecordedVersion, evidence: Evidence) -> None:
    """MLflow's pages say in words what was found; what they say already is not written again."""
    model, suite = evidence.model, evidence.suite.name
    text = version_description(model, version, suite, evidence.verdict)
    if text != version.description:
        registry.describe_version(model, version.number, text)
        registry.describe_model(
            model, model_description(from_tags(version.tags, evidence.variant.identifier))
        )
