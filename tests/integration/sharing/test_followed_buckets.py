"""A followed folder of a bucket, through s3fs, against a real server that speaks S3 (moto's)."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from quantgate.flows.releases.claims import Claims
from quantgate.flows.releases.looking import Looker, NewReleases, Release
from quantgate.flows.releases.sources import HuggingFaceHub
from quantgate.flows.releases.watch_list import load_watch_list
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.buckets import BucketFolder
from quantgate.pipelines.hub.source import HubSettings
from tests.support.servers.s3 import BUCKET, ObjectStore, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FILES = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"w" * 100_000}


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as shelf:
        yield shelf


class FollowedBucket:
    """An entry of a releases file that follows a folder of the bucket, and the store it is fetched to."""

    def __init__(self, folder: Path, server: ObjectStore, name: str) -> None:
        self.address, self.key = f"s3://{BUCKET}/{name}", name
        self.client = boto3.client("s3", endpoint_url=server.variables["AWS_ENDPOINT_URL"])
        self.store = Store(root=folder / "store")
        self.list = folder / "releases.yaml"
        self.list.write_text(f"follow:\n- {{model: '{self.address}', name: desk, suite: suite}}\n")
        self.bucket = BucketFolder(self.address, self.store)

    def put(self, **files: bytes) -> None:
        for name, content in files.items():
            key = f"{self.key}/{name.replace('_', '.')}"
            self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def look(self) -> NewReleases:
        hub = HuggingFaceHub(HubSettings(endpoint="http://127.0.0.1:9", token=None), self.store)
        return Looker(store=self.store, hub=hub, asked=lambda _: {}).look(
            load_watch_list(self.list)
        )

    def settled(self) -> Release:
        (release,) = self.look().releases
        with Claims(self.store.root).taken(release.key, release.contents) as claim:
            assert claim is not None
            Claims(self.store.root).settle(claim, "done", "1 of 1 variants passed")
        return release


@pytest.fixture
def desk(
    tmp_path: Path,
    server: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> FollowedBucket:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    followed = FollowedBucket(tmp_path, server, request.node.name)
    followed.put(**{name.replace(".", "_"): content for name, content in FILES.items()})
    return followed


def test_a_revision_is_noticed_once_fetched_whole_and_sealed(desk: FollowedBucket) -> None:
    release = desk.settled()
    assert desk.look().releases == ()
    folder = desk.bucket.fetch(release.revision)
    assert str(folder) == release.model
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    desk.client.delete_object(Bucket=BUCKET, Key=f"{desk.key}/config.json")
    assert desk.bucket.fetch(release.revision) == folder, "it is here: nothing is asked"


def test_what_changed_is_said_and_what_did_not_change_is_not_fetched_again(
    desk: FollowedBucket,
) -> None:
    first = desk.bucket.fetch(desk.settled().revision)
    desk.put(tokenizer_json=b'{"another": 1}')
    release = desk.settled()
    assert release.news == "changed: tokenizer"
    second = desk.bucket.fetch(release.revision)
    assert (second / "tokenizer.json").read_bytes() == b'{"another": 1}'
    weights = [folder / "model.safetensors" for folder in (first, second)]
    assert weights[0].samefile(weights[1])
    desk.put(README_md=b"another card")
    (card,) = desk.look().releases
    assert card.same_as is not None
    assert card.news == "changed: README.md: nothing is built anew for that"


def test_one_that_changes_while_it_is_fetched_is_left_to_the_next_look(
    desk: FollowedBucket,
) -> None:
    (release,) = desk.look().releases
    desk.put(model_safetensors=b"v" * 100_000)
    with pytest.raises(ServiceError, match="changed while it was fetched") as caught:
        desk.bucket.fetch(release.revision)
    assert caught.value.transient
    assert not is_sealed(Path(release.model))
    assert list(desk.store.root.rglob("*.safetensors")) == []


def test_a_folder_that_holds_nothing_and_a_bucket_that_is_not_there_are_a_line_each(
    desk: FollowedBucket, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds nothing"):
        BucketFolder(f"{desk.address}-gone", desk.store).listing()
    with pytest.raises(ServiceError, match="the bucket cannot be used") as caught:
        BucketFolder("s3://no-such-bucket/a", desk.store).listing()
    assert not caught.value.transient
    for model, said in (("s3:///a", "is not s3://bucket/folder"), ("s3://b/a", "needs a `name`")):
        name = "" if "name" in said else ", name: desk"
        (tmp_path / "wrong.yaml").write_text(
            f"follow:\n- {{model: '{model}', suite: suite{name}}}\n"
        )
        with pytest.raises(InputError, match=said):
            load_watch_list(tmp_path / "wrong.yaml")
