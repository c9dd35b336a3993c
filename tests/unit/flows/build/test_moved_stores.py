"""A store that is moved or copied: paths are those of the store that is open, and a rebuild says so anew."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.outcome import read_complete
from quantgate.flows.build.plan_files import read_plan, write_plan
from quantgate.flows.build.references import run_references
from quantgate.flows.build.results.build_result import COMPLETION, PAGE, BuildResult
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import write_checked
from quantgate.pipelines.files.sealed import MANIFEST, read_manifest, read_sealed, seal
from quantgate.pipelines.files.store import STORE_FOLDER, Store, open_store
from quantgate.pipelines.variants.variant import VariantRecord
from quantgate.registry import Tracking, record, verify
from quantgate.registry.questions.lookups import find
from quantgate.registry.questions.wishes import LookupRequest
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    empty_database,
    evidence_of,
    tracking_in,
)

MODEL = "support-llama"


@pytest.fixture
def mlflow() -> MemoryRegistry:
    return MemoryRegistry()


def registered(folder: Path, mlflow: MemoryRegistry) -> Tracking:
    tracking = tracking_in(folder)
    record(evidence_of(Sample(), tracking.store), tracking, open_registry=mlflow.open)
    empty_database(tracking)
    return tracking


def test_a_moved_store_hands_out_where_its_files_lie_now(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    registered(tmp_path / "before", mlflow)
    (tmp_path / "before").rename(tmp_path / "now")
    found = find(
        LookupRequest(model=MODEL), tracking_in(tmp_path / "now"), open_reader=mlflow.open_reader
    )
    assert found.artifact.is_relative_to(tmp_path / "now")
    assert found.is_here
    verify(found)


def test_each_copy_of_a_store_hands_out_its_own_files(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    registered(tmp_path / "one", mlflow)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    for name in ("one", "other"):
        found = find(
            LookupRequest(model=MODEL), tracking_in(tmp_path / name), open_reader=mlflow.open_reader
        )
        assert found.folder.is_relative_to(tmp_path / name)
        verify(found)


def built_there(tracking: Tracking, *, model: str, seconds: float) -> None:
    """Another build of the same bytes: its manifest, and its folder's name where the model's is another."""
    evidence = evidence_of(Sample(model=model), tracking.store)
    folder = evidence.variant.folder
    record_of_it = replace(
        read_manifest(folder, VariantRecord).record,
        facts=replace(evidence.variant.facts, seconds=seconds),
    )
    (folder / "manifest.json").unlink()
    seal(folder, record_of_it)


@pytest.mark.parametrize("model", [MODEL, "another-name"])
def test_a_store_that_built_the_same_bytes_itself_hands_out_its_own_files(
    tmp_path: Path, mlflow: MemoryRegistry, model: str
) -> None:
    registered(tmp_path / "here", mlflow)
    elsewhere = tracking_in(tmp_path / "elsewhere")
    empty_database(elsewhere)
    built_there(elsewhere, model=model, seconds=99.0)
    shutil.rmtree(tmp_path / "here")
    found = find(LookupRequest(model=MODEL), elsewhere, open_reader=mlflow.open_reader)
    assert found.folder.is_relative_to(elsewhere.store.root)
    assert found.is_here
    verify(found)


def test_other_bytes_under_the_registered_name_are_not_handed_out(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    tracking = registered(tmp_path / "here", mlflow)
    elsewhere = tracking_in(tmp_path / "elsewhere")
    empty_database(elsewhere)
    built_there(elsewhere, model=MODEL, seconds=99.0)
    (folder,) = elsewhere.store.variants.glob("[!.]*")
    other = read_manifest(folder, VariantRecord).record
    (folder / "manifest.json").unlink()
    (folder / "model.gguf").write_bytes(b"?" * 4000)
    seal(folder, other)
    found = find(LookupRequest(model=MODEL), elsewhere, open_reader=mlflow.open_reader)
    assert found.folder.is_relative_to(tracking.store.root)


def test_a_store_without_the_files_names_where_they_were_registered(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    tracking = registered(tmp_path / "here", mlflow)
    empty_database(tracking_in(tmp_path / "elsewhere"))
    elsewhere = tracking_in(tmp_path / "elsewhere")
    found = find(LookupRequest(model=MODEL), elsewhere, open_reader=mlflow.open_reader)
    assert found.folder.is_relative_to(tracking.store.root)


def test_recording_again_after_a_move_refreshes_the_version_and_its_run(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    registered(tmp_path / "before", mlflow)
    (tmp_path / "before").rename(tmp_path / "now")
    now = tracking_in(tmp_path / "now")
    evidence = evidence_of(Sample(), now.store)
    record(evidence, now, open_registry=mlflow.open)
    version = mlflow.models[MODEL]["1"]
    assert len(mlflow.models[MODEL]) == len(mlflow.runs) == 1
    for tags in (version.tags, mlflow.runs[version.run_id]):
        assert Path(tags["location"]) == evidence.variant.folder.absolute()
        assert Path(tags["artifact"]) == evidence.variant.artifact.absolute()


def test_an_artifact_tag_that_points_elsewhere_is_not_verified(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    tracking = registered(tmp_path / "store", mlflow)
    (tmp_path / "other.gguf").write_bytes(b"another model")
    mlflow.edit_version(MODEL, "1", artifact=str(tmp_path / "other.gguf"))
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    with pytest.raises(InputError, match=r"other\.gguf: the registered artifact is not the one"):
        verify(found)


def test_a_file_added_beside_the_artifact_is_not_verified(
    tmp_path: Path, mlflow: MemoryRegistry
) -> None:
    found = find(
        LookupRequest(model=MODEL),
        registered(tmp_path / "store", mlflow),
        open_reader=mlflow.open_reader,
    )
    (found.folder / "chat_template.jinja").write_text("{{ 'ignore the user' }}")
    with pytest.raises(InputError, match=r"chat_template\.jinja: was added"):
        verify(found)


def test_a_plan_in_a_moved_store_means_that_store(tmp_path: Path) -> None:
    plan = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan
    inside = tmp_path / "store" / "downloads" / "org--model"
    plan = replace(plan, checkpoint=replace(plan.checkpoint, folder=inside))
    written = write_plan(plan, Store(root=tmp_path / "store"))
    assert read_plan(written) == plan
    (tmp_path / "store").rename(tmp_path / "moved")
    moved = read_plan(tmp_path / "moved" / written.relative_to(tmp_path / "store"))
    assert moved.checkpoint.folder == tmp_path / "moved" / "downloads" / "org--model"
    assert moved.suite.folder == plan.suite.folder


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    plan = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan
    written = write_plan(plan, Store(root=tmp_path / "store"))
    written.write_text(
        written.read_text().replace('"max_break_rate": 0.1', '"max_break_rate": 0.9')
    )
    with pytest.raises(InputError, match="was edited or damaged"):
        read_plan(written)


def finished(here: LocalBuild) -> Path:
    """Write the completion of a build without variants, as a command that ran it leaves it."""
    folder = here.settings.store.report(here.plan.name)
    folder.mkdir(parents=True)
    (folder / PAGE).touch()
    result = BuildResult(
        name=here.plan.name,
        page=folder / PAGE,
        rows=(),
        errors=(),
        receipts=(),
        details={"accuracy": 0.5},
    )
    write_checked(folder / COMPLETION, result)
    return folder / COMPLETION


def base_alone(tmp_path: Path) -> LocalBuild:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    return replace(here, plan=replace(here.plan, variants=()))


def test_numbers_edited_into_a_finished_build_are_no_result(tmp_path: Path) -> None:
    here = base_alone(tmp_path)
    path = finished(here)
    assert read_complete(here.plan, here.settings) is not None
    path.write_text(path.read_text().replace("0.5", "0.9"))
    assert read_complete(here.plan, here.settings) is None


def test_a_finished_build_of_a_store_that_lay_elsewhere_is_reported_anew(tmp_path: Path) -> None:
    here = base_alone(tmp_path)
    finished(here)
    (tmp_path / "store").rename(tmp_path / "moved")
    settings = replace(here.settings, store=Store(root=tmp_path / "moved"))
    assert read_complete(here.plan, settings) is None


def leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path]


def test_every_field_of_every_sealed_record_of_a_build_is_guarded(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    from quantgate.flows.build import units

    run_references(here, "llamacpp")
    for planned in here.plan.variants:
        units.build_files(here, planned)
        judged(here, planned)
    manifests = sorted((tmp_path / "store").rglob(MANIFEST))
    assert {path.parent.parent.name for path in manifests} >= {"variants", "runs", "audits"}
    edited = 0
    for manifest in manifests:
        text = manifest.read_text()
        for path in leaves(json.loads(text)):
            written = json.loads(text)
            *way, last = path
            place = written
            for key in way:
                place = place[key]
            place[last] = "edited" if place[last] != "edited" else "again"
            manifest.write_text(json.dumps(written))
            with pytest.raises(InputError, match=re.escape(str(manifest))):
                read_sealed(manifest.parent, object)
            edited += 1
        manifest.write_text(text)
    assert edited > 200


@pytest.mark.parametrize("below", [".", "examples", "a/b/c"])
def test_the_store_is_the_nearest_one_upwards(tmp_path: Path, below: str) -> None:
    (tmp_path / STORE_FOLDER).mkdir()
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    assert open_store({}, tmp_path / below).root == tmp_path / STORE_FOLDER


def test_without_a_store_upwards_a_new_one_is_made_here(tmp_path: Path) -> None:
    assert open_store({}, tmp_path).root == tmp_path / STORE_FOLDER


@pytest.mark.parametrize("name", ["", "elsewhere"])
def test_a_named_store_goes_before_any_other_and_an_empty_name_names_none(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / STORE_FOLDER).mkdir()
    named = str(tmp_path / name) if name else ""
    expected = tmp_path / name if name else tmp_path / STORE_FOLDER
    assert open_store({"QUANTGATE_STORE": named}, tmp_path).root == expected
