"""Weights that travel for real: through an MLflow server's artifact store, and to a server that speaks S3."""

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.sealed import Manifest, produce_once, read_manifest
from quantgate.registry import Tracking, pull, record
from quantgate.registry.opening import open_mlflow
from quantgate.registry.remotes.opening import open_remote
from quantgate.registry.remotes.remote import RemotePlace
from quantgate.registry.remotes.sending import send_folder
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.servers.mlflow_served import full_disk_of, served_mlflow
from tests.support.servers.s3 import BUCKET, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_mlflow(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server with a bucket; yields a folder's address."""
    with object_store() as held:
        for name, value in held.variables.items():
            monkeypatch.setenv(name, value)
        yield held.folder


def assert_travels(sending: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Register two versions of the same files, lose their store, have them elsewhere; return the place."""
    model = f"desk-{tmp_path.name}"
    for engine in ("llama-server", "transformers"):
        evidence = evidence_of(Sample(model=model, engine=engine), sending.store)
        record(evidence, sending)
    versions = open_mlflow(sending).versions(model, {})
    (place,) = {version.tags["place"] for version in versions}
    content = evidence.variant.artifact.read_bytes()
    shutil.rmtree(sending.store.variants)
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "elsewhere"))
    for number in ("1", "2"):
        pulled = pull(f"{model}/{number}", tmp_path / number, tracking_uri=sending.uri)
        assert pulled.artifact.read_bytes() == content
    assert loaded_artifact(f"models:/{model}/1", sending, tmp_path, monkeypatch) == content
    return place


def loaded_artifact(
    reference: str, sending: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bytes:
    """Return what plain MLflow fetched and verified before it would ask the server that judged a version."""
    import mlflow

    monkeypatch.setenv("QUANTGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("QUANTGATE_SERVER", "http://127.0.0.1:9/v1")
    mlflow.set_tracking_uri(sending.uri)
    facts = mlflow.pyfunc.load_model(reference).get_raw_model().facts
    artifact = Path(facts["artifact"])
    assert artifact.is_relative_to(tmp_path / "cache")
    return artifact.read_bytes()


def test_weights_travel_through_a_servers_artifact_store(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Tracking.resolve(tracking_in(tmp_path / "store").store, uri=server)
    place = assert_travels(replace(here, weights="upload"), tmp_path, monkeypatch)
    assert place.startswith("mlflow-artifacts:/")


def test_weights_lie_beside_a_local_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(tracking_in(tmp_path / "store"), weights="upload")
    place = assert_travels(here, tmp_path, monkeypatch)
    assert place.startswith((tmp_path / "store" / "mlflow-artifacts" / "weights").as_uri())


def test_weights_travel_over_s3_and_altered_ones_are_refused(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(tracking_in(tmp_path / "store"), weights=s3)
    place = assert_travels(here, tmp_path, monkeypatch)
    assert place.startswith(f"{s3}/")
    import boto3

    client = boto3.client("s3")
    held = [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    manifest, artifact = sorted(name.rpartition("/")[2] for name in held)
    assert (manifest[:9], artifact) == ("manifest-", "model.gguf"), "once for two versions"
    client.put_object(Bucket=BUCKET, Key=held[-1], Body=b"something else" * 300)
    with pytest.raises(Exception, match="is not what was registered"):
        pull(f"desk-{tmp_path.name}/1", tmp_path / "again", tracking_uri=here.uri)


def test_a_bucket_that_is_not_there_is_named_and_makes_no_version(s3: str, tmp_path: Path) -> None:
    here = replace(tracking_in(tmp_path / "store"), weights="s3://nobody/shelf")
    with pytest.raises(ServiceError, match="cannot be used") as caught:
        record(evidence_of(Sample(), here.store), here)
    assert str(caught.value.where).startswith("s3://nobody/shelf/")
    assert open_mlflow(here).versions("support-llama", {}) == ()


def test_a_full_disk_behind_the_server_is_one_line_and_leaves_nothing_half_registered(
    server: str, tmp_path: Path
) -> None:
    store = tracking_in(tmp_path / "store").store
    here = replace(Tracking.resolve(store, uri=server), weights="upload")
    evidence = evidence_of(Sample(model=f"full-{tmp_path.name}", size_bytes=40_000_000), store)
    with full_disk_of(server, 20_000_000), pytest.raises(ServiceError) as caught:
        record(evidence, here)
    said = str(caught.value)
    assert "the artifact store did not take model.gguf, 40,000,000 bytes" in said, said
    assert "is its disk full?" in said
    assert open_mlflow(here).versions(evidence.model, {}) == ()
    receipt = record(evidence, here)
    assert receipt.version == "1"
    pulled = pull(f"{evidence.model}/1", tmp_path / "pulled", tracking_uri=server)
    assert pulled.artifact.stat().st_size == 40_000_000


def test_weights_that_somebody_deleted_are_named_with_the_way_out(
    server: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = tracking_in(tmp_path / "store").store
    here = replace(Tracking.resolve(store, uri=server), weights="upload")
    evidence = evidence_of(Sample(model=f"deleted-{tmp_path.name}"), store)
    record(evidence, here)
    shutil.rmtree(store.variants)
    run_id = open_mlflow(here).versions(evidence.model, {})[0].run_id
    weights = f"server[0-9]*/artifacts/*/{run_id}/artifacts/weights"
    (kept,) = tmp_path_factory.getbasetemp().glob(weights)
    (kept / "model.gguf").unlink()
    with pytest.raises(InputError, match=r"there is no file model\.gguf") as caught:
        pull(f"{evidence.model}/1", tmp_path / "pulled", tracking_uri=server)
    assert "run the same build again, which sends what is missing" in str(caught.value)
    shutil.rmtree(kept)
    with pytest.raises(InputError, match=r"there is no file manifest\.json"):
        pull(f"{evidence.model}/1", tmp_path / "pulled", tracking_uri=server)


@pytest.mark.slow
def test_ten_gigabytes_are_streamed_in_parts_without_a_second_copy_or_much_memory(
    server: str, tmp_path: Path
) -> None:
    size_bytes = int(float(os.environ.get("QUANTGATE_TEST_GIGABYTES", "10")) * 2**30) + 17

    def produce(staging: Path) -> dict[str, str]:
        with (staging / "model.gguf").open("wb") as file:
            file.truncate(size_bytes)
            file.seek(size_bytes - 4)
            file.write(b"ends")
        return {"artifact": "model.gguf"}

    folder = tmp_path / "variant"
    produce_once(folder, dict[str, str], produce)
    manifest: Manifest[object] = read_manifest(folder, object)
    tracking = Tracking.resolve(tracking_in(tmp_path / "store").store, uri=server)
    remote = open_remote("mlflow-artifacts:/large", tracking)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    send_folder(folder, manifest, remote)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    assert sum(path.stat().st_blocks for path in tmp_path.rglob("*")) * 512 < 2**20
    parts = [name for name in remote.sizes() if name.startswith("model.gguf.part-")]
    assert len(parts) == -(-size_bytes // (512 << 20))
    place = RemotePlace(open_remote("mlflow-artifacts:/large", tracking))
    assert b"".join(place.read("model.gguf", size_bytes - 6)) == b"\0\0ends"
