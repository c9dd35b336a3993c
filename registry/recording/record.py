"""Record evidence: one run per judged variant, and a version of the registered model where it passed.

Every step looks for what an earlier, interrupted call left and completes it, so that the same evidence
leaves one run and one version however often, wherever and however rudely it is recorded.
"""

from collections.abc import Iterator, Mapping

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed import Manifest, is_sealed, read_manifest
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.evidence import Evidence, check_evidence, version_facts
from quantgate.registry.facts import PASSED, VERSION_TAGS, VersionFacts, filter_of, to_tags
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry, RecordedVersion, Registry, smallest
from quantgate.registry.recording.content import (
    run_content,
    run_tags,
    write_files,
    write_model_manifest,
)
from quantgate.registry.recording.receipts import Receipt, write_receipt
from quantgate.registry.recording.suite_contents import other_content
from quantgate.registry.tags import NONE, Renewal
from quantgate.registry.tracking import Tracking


def record(
    evidence: Evidence, tracking: Tracking, *, open_registry: OpenRegistry = open_mlflow
) -> Receipt:
    """Record one judged variant in MLflow and return where it stands; the receipt is kept in the store.

    A variant that passed becomes a version of the registered model, and the suite's alias is pointed at
    the smallest version of the same base, suite and policy that passes. One that did not is a run with
    its evidence; a version that earlier evidence had made of the very same thing is withdrawn.

    Raises:
        InputError: evidence that does not belong together, names MLflow cannot carry, altered variant, or a
            suite whose version another content of it has in this registry.
        ServiceError: MLflow did not answer or refused.
    """
    check_evidence(evidence)
    manifest = _sealed_manifest(evidence)
    facts = version_facts(evidence)
    with exclusive(tracking.store.root / "registry.lock"):
        registry = open_registry(tracking)
        _refuse_other_content(registry, evidence, facts, tracking)
        experiment_id = registry.experiment(evidence.model)
        run_id = _ensure_run(registry, experiment_id, evidence, manifest)
        version = _ensure_version(registry, run_id, evidence) if evidence.passed else None
        if not evidence.passed:
            _withdraw(registry, evidence)
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
            version=version,
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


def _ensure_version(registry: Registry, run_id: str, evidence: Evidence) -> str:
    same = filter_of(version_key=evidence.version_key)
    versions = registry.versions(evidence.model, same)
    if not versions:
        tags = to_tags(version_facts(evidence))
        created = registry.create_version(evidence.model, run_id, tags)
        # The lock is per store: a build with another store may have registered at the same moment.
        versions = registry.versions(evidence.model, same)
        if versions[0].number != created.number:
            registry.delete_version(evidence.model, created.number)
    version = versions[0]
    current = to_tags(version_facts(evidence))
    for key in _renewed(current):
        if version.tags.get(key) != current[key]:
            registry.set_version_tag(evidence.model, version.number, key, current[key])
    _point_alias(registry, evidence)
    return version.number


def _renewed(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of tags in which the newest evidence, whose tags these are, counts."""
    for tag in VERSION_TAGS:
        unsaid = tag.renewal is Renewal.ONCE_SAID and tags[tag.name] == NONE
        if tag.renewal is not Renewal.NEVER and not unsaid:
            yield tag.name


def _withdraw(registry: Registry, evidence: Evidence) -> None:
    """Let the newest evidence count: mark a version of the very same thing as no longer passing."""
    decision = evidence.verdict.decision.value
    withdrawn = registry.versions(evidence.model, filter_of(version_key=evidence.version_key))
    if withdrawn:  # the alias first: at no moment it points at a version that does not pass
        _point_alias(registry, evidence, without=withdrawn)
    for version in withdrawn:
        registry.set_version_tag(evidence.model, version.number, "verdict", decision)


def _point_alias(
    registry: Registry, evidence: Evidence, without: tuple[RecordedVersion, ...] = ()
) -> None:
    tags = filter_of(scope=evidence.scope, verdict=PASSED)
    gone = {version.number for version in without}
    passing = registry.versions(evidence.model, tags)
    champion = smallest(tuple(version for version in passing if version.number not in gone))
    number = champion.number if champion else None
    aliases = registry.aliases(evidence.model) or {}
    if aliases.get(evidence.suite.name) != number:
        registry.point_alias(evidence.model, evidence.suite.name, number)
