"""A registered version's bundle: its evidence judged anew from this store, with all that it rests on."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import plan_files, read_plan
from quantgate.flows.build.references import reference_plans
from quantgate.flows.build.timing.speeds import every_timing
from quantgate.flows.build.units import asking_plan
from quantgate.flows.build.verdicts import evidence, family
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import JsonObject, canonical_json
from quantgate.pipelines.evaluation.asking import TRANSCRIPT, read_answers
from quantgate.pipelines.files.records import record_digest
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.files.sealed_values import required
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Evidence, RegisteredVersion
from quantgate.registry.proofs.archive import write_archive
from quantgate.registry.proofs.bundle import (
    ATTESTATIONS,
    FORMAT,
    PAGE,
    SHORT_KEY,
    TOKENIZER,
    BundleRecord,
    placeless,
    read_registered,
    reference_run,
    variant_run,
    write_facts,
)
from quantgate.registry.proofs.checking import BundleProof, prove, this_version
from quantgate.registry.proofs.observations import KeptObservations
from quantgate.registry.proofs.rejudging import judging_code
from quantgate.registry.tags import NONE

_BUILD_AGAIN = "run the same build again in the store that holds its transcripts, then try again"


def find_build(version: RegisteredVersion, store: Store) -> tuple[BuildPlan, PlannedVariant]:
    """Return the build of a store that judged a version, and the variant in it.

    Raises:
        InputError: the store has none.
    """
    for plan, planned in _alike(version, store):
        if plan.checkpoint.name == version.model:  # others judged the same under another name
            return plan, planned
    raise InputError(
        f"no build of this store judged {version.uri}",
        where=str(store.root),
        next_step=_BUILD_AGAIN,
    )


def _alike(version: RegisteredVersion, store: Store) -> Iterator[tuple[BuildPlan, PlannedVariant]]:
    """Yield builds of the same variant, judged on the same suite by the same policy."""
    digests = version.facts.digests
    for path in plan_files(store):
        with suppress(InputError):  # of another version, or edited: others may have judged it
            plan = read_plan(path)
            if (plan.suite.digest, record_digest(plan.policy)) != (digests.suite, digests.policy):
                continue
            if not _asked_alike(plan.suite, version.facts.decode):
                continue
            yield from ((plan, each) for each in plan.variants if each.key == digests.variant_key)


def _asked_alike(suite: Suite, decode: str) -> bool:
    """Whether a version's answers were asked for with a suite's template variables, as far as is recorded."""
    if decode == NONE:
        return True
    asked = json.loads(decode)["template_variables"]
    return canonical_json(asked) == canonical_json(suite.template_variables)


def write_bundle(
    build: LocalBuild,
    planned: PlannedVariant,
    version: RegisteredVersion,
    path: Path,
    suite_variables: JsonObject,
) -> BundleProof:
    """Write a version's bundle and return what it proves; nothing has the name unless it proves itself.

    Raises:
        InputError: a transcript was altered, or the version was judged otherwise than its build is now.
        OSError: the file cannot be written.
    """
    judged = _as_registered(build, planned, version)
    with temporary_folder() as folder:
        write_facts(folder, judged, version)
        page = build.settings.store.report(build.plan.name) / "index.html"
        if page.is_file():
            shutil.copyfile(page, folder / PAGE)
        kept = build.settings.store.root / ATTESTATIONS / judged.key[:SHORT_KEY]
        if kept.is_dir():
            shutil.copytree(kept, folder / ATTESTATIONS, ignore=shutil.ignore_patterns(".*"))
        references, asked = _copy_runs(build, planned, folder)
        record = BundleRecord(
            format=FORMAT,
            references=references,
            family=family(build) if build.plan.policy.family_wise != "none" else {},
            suite_variables=suite_variables,
            quantgate=this_version(),
            judging=judging_code(),
            variant_runs=asked,
        )
        observed = KeptObservations(build.settings.store.root, "the store")
        proof = prove(folder, record, placeless(judged), read_registered(folder), observed)
        for lock in tuple(folder.rglob(".*.lock")):
            lock.unlink()
        seal(folder, record)
        write_archive(folder, path)
    return proof


def _as_registered(
    build: LocalBuild, planned: PlannedVariant, version: RegisteredVersion
) -> Evidence:
    """Return a variant's evidence, with the timing that was registered.

    A timing is known by its machine and threads, and those of today may be others than those that timed it.
    """
    judged, registered = evidence(build, planned), version.facts.evidence_key
    if judged.key == registered or not build.plan.speed:
        return judged
    timed = (replace(judged, speed=speed) for speed in every_timing(build, planned))
    return next((each for each in timed if each.key == registered), judged)


def own_variables(suite: Suite, of_its_file: JsonObject) -> JsonObject:
    """Return a suite's own template variables, without those that a build laid over them.

    Raises:
        InputError: its file has other ones by now.
    """
    for variables in (suite.template_variables, {}, of_its_file):
        if suite_digest(suite, variables) == suite.digest:
            return variables
    raise InputError(
        "the suite was edited since it was judged", where=str(suite.folder), next_step=_BUILD_AGAIN
    )


def _copy_runs(build: LocalBuild, planned: PlannedVariant, folder: Path) -> tuple[int, int]:
    """Copy the runs that a verdict rests on, and the tokenizer where thoughts are told by it.

    Returns how many are the base's, and how many the variant's.
    """
    references = reference_plans(build, planned.recipe.runtime)
    asked = required(asking_plan(build, planned)).runs
    runs = build.suite_runs
    copies = [
        *((runs.folder(plan), reference_run(folder, n)) for n, plan in enumerate(references, 1)),
        *((runs.folder(plan), variant_run(folder, n)) for n, plan in enumerate(asked, 1)),
    ]
    for source, target in copies:
        shutil.copytree(source, target)
    reader = runs.reader
    if reader is not None and reader.tokenizer is not None:
        answers = [answer for _, run in copies for answer in read_answers(run / TRANSCRIPT)]
        if any(reader.read(answer) is not None for answer in answers):
            (folder / TOKENIZER).write_text(reader.tokenizer.to_str(), encoding="utf-8")
    return len(references), len(asked)
