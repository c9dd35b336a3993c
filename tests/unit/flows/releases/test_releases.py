"""Following releases: each new revision is noticed and built exactly once, whoever looks or dies."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.results.unit_error import UnitError
from quantgate.flows.orchestration.following.look import outcome_of
from quantgate.flows.releases.asked import spec_of
from quantgate.flows.releases.claims import Claim, Claims, ReleaseKey
from quantgate.flows.releases.contents import ReleaseContents
from quantgate.flows.releases.looking import AskedParts, Looker, Release
from quantgate.flows.releases.patterns import ListedModel
from quantgate.flows.releases.releases import (
    MAX_ATTEMPTS,
    ReleaseOutcome,
    watch_once,
)
from quantgate.flows.releases.sources import HuggingFaceHub, folder_digests, lying_still
from quantgate.flows.releases.watch_list import WATCH_LIST, Followed, load_watch_list
from quantgate.pipelines.domain.errors import (
    CheckpointError,
    InputError,
    InterruptionError,
    QuantgateError,
    ServiceError,
    ToolchainError,
    UnprovableError,
    WorkerError,
)
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.listing import Listing
from quantgate.pipelines.hub.source import HubSettings, HubSource
from quantgate.pipelines.hub.transfer import RemoteFile

FIRST, SECOND = "a" * 40, "b" * 40


class FakeHub:
    """A hub with a branch per repository; an error stands for one that does not answer."""

    def __init__(self, **revisions: str | QuantgateError) -> None:
        self.revisions = revisions

    def revision(self, source: HubSource) -> str:
        found = self.revisions[source.repository.partition("/")[2]]
        if isinstance(found, QuantgateError):
            raise found
        return found

    def listing(self, source: HubSource) -> Listing:
        weights = RemoteFile(
            name="model.safetensors", size_bytes=4, sha256=source.revision, git_blob=None
        )
        return Listing(revision=source.revision, files=(weights,))

    def models(self, author: str, pipeline: str | None) -> tuple[ListedModel, ...]:
        return ()


def nothing_more(_: Followed) -> dict[str, Digest]:
    """What an entry asks for, where that is of no matter."""
    return {}


def looker(store: Store, hub: FakeHub, asked: AskedParts = nothing_more) -> Looker:
    return Looker(store=store, hub=hub, asked=asked)


def followed(name: str) -> Followed:
    return Followed(
        label=f"org/{name}",
        name=None,
        hub=HubSource(repository=f"org/{name}"),
        folder=Path("unused"),
        build=Path("build.yaml"),
        suite=None,
        corpus=None,
        policy=None,
        recipes=None,
    )


def last_claim(store: Store) -> Claim | None:
    return next(iter(reversed(Claims(store.root).of("org/model"))), None)


def released(revision: str) -> Release:
    entry = followed("model")
    return Release(
        followed=entry,
        revision=revision,
        model=f"org/model@{revision}",
        key=ReleaseKey(label=entry.label, revision=revision, asked=digest_of([])),
        contents=ReleaseContents(parts={}),
    )


def outcome(release: Release, state: str = "done", exit_code: int = 0) -> ReleaseOutcome:
    return ReleaseOutcome(
        label=release.followed.label,
        revision=release.revision,
        state=state,  # type: ignore[arg-type]
        exit_code=exit_code,
        detail="",
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


@pytest.fixture
def built() -> list[str]:
    return []


@pytest.fixture
def build(built: list[str]) -> Callable[[Release], ReleaseOutcome]:
    def note(release: Release) -> ReleaseOutcome:
        built.append(release.model)
        return outcome(release)

    return note


def test_each_revision_is_built_once_and_pinned(
    store: Store, built: list[str], build: Callable[[Release], ReleaseOutcome]
) -> None:
    hub = FakeHub(model=FIRST)
    for revision in (FIRST, FIRST, SECOND, FIRST, SECOND):
        hub.revisions["model"] = revision
        watch_once((followed("model"),), looker(store, hub), build=build)
    assert built == [f"org/model@{FIRST}", f"org/model@{SECOND}"]


def test_one_hub_that_does_not_answer_does_not_stop_the_others(
    store: Store, built: list[str], build: Callable[[Release], ReleaseOutcome]
) -> None:
    gone = ServiceError("did not answer", transient=True)
    watch_list = (followed("gone"), followed("here"))
    outcomes = watch_once(watch_list, looker(store, FakeHub(gone=gone, here=FIRST)), build=build)
    assert [(o.label, o.state, o.exit_code) for o in outcomes] == [
        ("org/gone", "unreachable", 6),
        ("org/here", "done", 0),
    ]
    look = looker(store, FakeHub(gone=SECOND, here=FIRST)).look(watch_list)
    assert [release.model for release in look.releases] == [f"org/gone@{SECOND}"]


def test_a_build_in_which_nothing_passed_is_settled(store: Store) -> None:
    def all_fail(release: Release) -> ReleaseOutcome:
        return outcome(release, exit_code=10)

    outcomes = watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=all_fail)
    assert [(o.state, o.exit_code) for o in outcomes] == [("done", 10)]
    assert (
        watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=all_fail) == ()
    )


def test_a_build_in_which_nothing_can_pass_is_settled_and_says_so(store: Store) -> None:
    def refuse(release: Release) -> ReleaseOutcome:
        raise UnprovableError("no variant can pass in llamacpp, so none was built")

    outcomes = watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=refuse)
    said = "no variant can pass in llamacpp, so none was built"
    assert [(o.state, o.exit_code, o.detail) for o in outcomes] == [("done", 11, said)]
    assert watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=refuse) == ()


def unit_error(
    kind: type[QuantgateError], text: str = "it failed", *, transient: bool = False
) -> UnitError:
    return UnitError(
        identifier="unit",
        step="reference",
        text=text,
        exit_code=kind.exit_code,
        transient=transient,
    )


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "done"),
        ((UnprovableError,), "done"),
        ((UnprovableError, WorkerError), "unfinished"),
        ((UnprovableError, CheckpointError), "failed"),
        ((WorkerError, ToolchainError, ServiceError), "unfinished"),
        ((WorkerError, InputError), "failed"),
    ],
)
def test_what_became_of_a_release_is_told_by_its_units_errors(
    kinds: tuple[type[QuantgateError], ...], state: str, tmp_path: Path
) -> None:
    release = released(FIRST)
    result = BuildResult(
        name="build",
        page=tmp_path / "index.html",
        rows=(),
        errors=tuple(unit_error(kind) for kind in kinds),
        receipts=(),
        details={},
    )
    assert outcome_of(release, result).state == state


def test_a_service_that_may_come_back_postpones_whatever_else_failed(tmp_path: Path) -> None:
    down = unit_error(ServiceError, "MLflow did not answer", transient=True)
    for others in ((), (WorkerError,), (CheckpointError, UnprovableError)):
        result = BuildResult(
            name="build",
            page=tmp_path / "index.html",
            rows=(),
            errors=(down, *map(unit_error, others)),
            receipts=(),
            details={},
        )
        assert outcome_of(released(FIRST), result).state == "postponed"


def test_a_release_in_which_nothing_can_pass_says_why(tmp_path: Path) -> None:
    release = released(FIRST)
    text = "exam@1: no variant can pass in llamacpp, so none was built: 3 of 29\n  next: add items"
    result = BuildResult(
        name="build",
        page=tmp_path / "index.html",
        rows=(),
        errors=(unit_error(UnprovableError, text),),
        receipts=(),
        details={},
    )
    assert outcome_of(release, result).detail == (
        "0 of 0 variants passed; exam@1: no variant can pass in llamacpp, so none was built: 3 of 29; "
        f"{tmp_path / 'index.html'}"
    )


def test_a_refused_checkpoint_is_failed_and_not_tried_again(store: Store) -> None:
    def refuse(release: Release) -> ReleaseOutcome:
        raise CheckpointError("holds NaN")

    outcomes = watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=refuse)
    assert [(o.state, o.exit_code, o.detail) for o in outcomes] == [("failed", 3, "holds NaN")]
    claim = last_claim(store)
    assert claim is not None
    assert (claim.state, claim.detail) == ("failed", "holds NaN")
    assert watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=refuse) == ()


def test_a_transient_error_is_tried_again_however_often(
    store: Store, built: list[str], build: Callable[[Release], ReleaseOutcome]
) -> None:
    def overloaded(release: Release) -> ReleaseOutcome:
        raise ServiceError("is overloaded", transient=True)

    hub = FakeHub(model=FIRST)
    for _ in range(2 * MAX_ATTEMPTS):
        outcomes = watch_once((followed("model"),), looker(store, hub), build=overloaded)
        assert [o.state for o in outcomes] == ["postponed"]
    watch_once((followed("model"),), looker(store, hub), build=build)
    assert len(built) == 1


@pytest.mark.parametrize(
    "error",
    [
        ToolchainError("the disk is full"),
        ToolchainError("ran out of memory"),
        WorkerError("was killed by SIGKILL (often: out of memory)"),
        ServiceError("MLflow refused"),
    ],
)
def test_what_may_be_this_machines_trouble_is_tried_three_times(
    error: QuantgateError, store: Store
) -> None:
    def fail(release: Release) -> ReleaseOutcome:
        raise error

    for attempt in range(1, MAX_ATTEMPTS + 1):
        (one,) = watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=fail)
        claim = last_claim(store)
        assert claim is not None
        assert (one.state, claim.attempts) == ("unfinished", attempt)
    last = last_claim(store)
    assert last is not None
    assert (last.state, last.detail) == ("failed", str(error))
    assert watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=fail) == ()


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), InterruptionError("was interrupted")])
def test_an_interruption_settles_nothing_and_is_no_attempt(
    ending: BaseException,
    store: Store,
    built: list[str],
    build: Callable[[Release], ReleaseOutcome],
) -> None:
    def interrupted(release: Release) -> ReleaseOutcome:
        raise ending

    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(type(ending)):
            watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=interrupted)
    watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=build)
    assert len(built) == 1


def test_a_revision_that_somebody_builds_right_now_is_left_to_him(store: Store) -> None:
    hub = FakeHub(model=FIRST)

    def look_again(release: Release) -> ReleaseOutcome:
        assert watch_once((followed("model"),), looker(store, hub), build=look_again) == ()
        return outcome(release)

    assert len(watch_once((followed("model"),), looker(store, hub), build=look_again)) == 1


def _watch_and_note(root: str, noted: str, seconds: float) -> None:
    def build(release: Release) -> ReleaseOutcome:
        with Path(noted).open("a") as file:
            file.write(f"{release.model}\n")
        threading.Event().wait(seconds)
        return outcome(release)

    watch_list = tuple(followed(f"m{number}") for number in range(5))
    hub = FakeHub(**{f"m{number}": FIRST for number in range(5)})
    watch_once(watch_list, looker(Store(root=Path(root)), hub), build=build)


def _die_building(root: str) -> None:
    def die(release: Release) -> ReleaseOutcome:
        os.kill(os.getpid(), signal.SIGKILL)
        return outcome(release)

    watch_once(
        (followed("model"),), looker(Store(root=Path(root)), FakeHub(model=FIRST)), build=die
    )


def test_watchers_at_once_build_each_revision_once(store: Store, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    noted = str(tmp_path / "noted")
    watchers = [
        spawn.Process(target=_watch_and_note, args=(str(store.root), noted, 0.05)) for _ in range(3)
    ]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert sorted(Path(noted).read_text().split()) == [f"org/m{n}@{FIRST}" for n in range(5)]


def test_a_killed_watchers_claim_is_taken_over_and_given_up_in_the_end(
    store: Store, built: list[str], build: Callable[[Release], ReleaseOutcome]
) -> None:
    spawn = multiprocessing.get_context("spawn")
    for _ in range(MAX_ATTEMPTS):
        assert looker(store, FakeHub(model=FIRST)).look((followed("model"),)).releases
        watcher = spawn.Process(target=_die_building, args=(str(store.root),))
        watcher.start()
        watcher.join()
        assert watcher.exitcode == -signal.SIGKILL
    outcomes = watch_once((followed("model"),), looker(store, FakeHub(model=FIRST)), build=build)
    assert [(o.state, o.exit_code) for o in outcomes] == [("failed", 5)]
    assert "given up" in outcomes[0].detail
    assert built == []


def write_checkpoint(folder: Path, weights: bytes = b"\x00\x00\x00\x00") -> None:
    folder.mkdir(exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + weights
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")


def test_a_followed_folder_is_new_when_its_content_changes_and_not_when_it_is_touched(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder)
    before = folder_digests(folder, store)
    os.utime(folder / "model.safetensors")
    (folder / "README.md").write_text("a model card")
    assert folder_digests(folder, store) == before
    write_checkpoint(folder, weights=b"\x00\x00\x80\x3f")
    assert folder_digests(folder, store) != before


def test_a_followed_folder_that_is_gone_is_reported_as_such(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "releases.yaml"
    path.write_text("follow:\n  - {model: ./gone, suite: suite}\n")
    look = looker(store, FakeHub()).look(load_watch_list(path))
    assert look.releases == ()
    assert "there is no such folder" in str(look.unreachable[0].error)


def test_a_list_resolves_paths_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    path = tmp_path / "releases.yaml"
    path.write_text(
        "follow:\n"
        "  - {model: checkpoint, build: build.yaml}\n"
        "  - {model: org/name@next, suite: s, recipes: [Q8_0]}\n"
    )
    local, hub = load_watch_list(path)
    assert (local.hub, local.folder) == (None, tmp_path / "checkpoint")
    assert local.build == tmp_path / "build.yaml"
    assert hub.hub == HubSource(repository="org/name", revision="next")
    assert (hub.suite, hub.recipes) == (tmp_path / "s", ("Q8_0",))


def test_an_entrys_name_is_what_its_variants_are_registered_under(tmp_path: Path) -> None:
    build = tmp_path / "build.yaml"
    build.write_text("name: desk\nmodel: org/name\nsuite: s\n")
    path = tmp_path / "releases.yaml"
    path.write_text(
        f"follow:\n  - {{model: org/name, build: {build}}}\n"
        f"  - {{model: org/name@next, name: desk-next, build: {build}}}\n"
    )
    names = [spec_of(each, f"org/name@{FIRST}").name for each in load_watch_list(path)]
    assert names == ["desk", "desk-next"]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{model: org/a, biuld: b}", "did you mean 'build'"),
        ("{model: org/a}", "say what to build"),
        (f"{{model: org/a@{FIRST}, suite: s}}", "pinned commit"),
        ("{model: org/a, suite: s}\n  - {model: org/a, suite: t}", "followed twice"),
    ],
)
def test_a_list_with_a_fault_is_refused(tmp_path: Path, entry: str, complaint: str) -> None:
    path = tmp_path / "releases.yaml"
    path.write_text(f"follow:\n  - {entry}\n")
    with pytest.raises(InputError, match=complaint):
        load_watch_list(path)


def test_the_list_in_the_repository_is_sound() -> None:
    assert [entry.build is not None for entry in load_watch_list(WATCH_LIST)] == [True]


class _HubHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path.startswith("/api/models/org/name/revision/main?expand=")
        body = json.dumps({"id": "org/name", "sha": FIRST}).encode() if known else b"{}"
        self.send_response(200 if known else 404)
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _HubHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_hub_is_asked_for_the_branchs_commit(endpoint: str, store: Store) -> None:
    hub = HuggingFaceHub(HubSettings(endpoint=endpoint), store)
    assert hub.revision(HubSource(repository="org/name")) == FIRST
    with pytest.raises(InputError, match="no model of this name"):
        hub.revision(HubSource(repository="org/other"))


def test_a_hub_that_is_down_is_a_transient_service_error(store: Store) -> None:
    with pytest.raises(ServiceError) as caught:
        HuggingFaceHub(HubSettings(endpoint="http://127.0.0.1:9"), store).revision(
            HubSource(repository="org/name")
        )
    assert caught.value.transient


def test_a_file_that_is_renamed_while_it_is_looked_at_is_no_end_of_the_look(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder)
    (folder / "tokenizer.model").symlink_to(folder / "gone")  # listed, and then not there
    (tmp_path / "releases.yaml").write_text("follow:\n  - {model: checkpoint, suite: s}\n")
    watch_list = load_watch_list(tmp_path / "releases.yaml")
    (missed,) = looker(store, FakeHub()).look(watch_list).unreachable
    assert "is being written to" in str(missed.error)
    assert isinstance(missed.error, ServiceError) and missed.error.transient
    (folder / "tokenizer.model").unlink()
    assert looker(store, FakeHub()).look(watch_list).unreachable == ()

    def renamed(_: Followed) -> dict[str, Digest]:
        with lying_still(tmp_path):
            return {"suite": digest_of((tmp_path / "renamed").read_text())}

    (missed,) = looker(store, FakeHub(), renamed).look(watch_list).unreachable
    assert f"{tmp_path / 'renamed'}: is being written to" in str(missed.error)
