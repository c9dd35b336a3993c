"""What is new about a release is said before anything is spent, and what touches nothing built is skipped."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.drift.sealing import EVENT, DriftEvent, seal_event
from quantgate.flows.releases.asked import asked_parts, spec_of
from quantgate.flows.releases.claims import Claims, ReleaseKey
from quantgate.flows.releases.contents import ReleaseContents, changes, parts_of_repository
from quantgate.flows.releases.looking import Looker, Release
from quantgate.flows.releases.patterns import ListedModel
from quantgate.flows.releases.releases import ReleaseOutcome, watch_once
from quantgate.flows.releases.watch_list import Followed, load_watch_list
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.listing import Listing
from quantgate.pipelines.hub.source import HubSource
from quantgate.pipelines.hub.transfer import RemoteFile
from tests.support.builds.road import make_road

ENTRY = Followed(
    label="org/model",
    name=None,
    hub=HubSource(repository="org/model"),
    folder=Path("unused"),
    build=Path("build.yaml"),
    suite=None,
    corpus=None,
    policy=None,
    recipes=None,
)
FILES = {
    "model.safetensors": "w1",
    "tokenizer.json": "t1",
    "chat_template.jinja": "c1",
    "config.json": "k1",
    "README.md": "r1",
}


def remote(files: dict[str, str], size_bytes: int = 10) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name=name, size_bytes=size_bytes, sha256=checksum, git_blob=None)
        for name, checksum in files.items()
    )


class ChangingHub:
    """A hub whose one repository is at a revision for each set of files that it was given."""

    def __init__(self, **files: str) -> None:
        self.now = FILES | files
        self.listings = 0
        self.listed: tuple[ListedModel, ...] = ()

    def publish(self, **files: str) -> None:
        self.now = self.now | {name.replace("_", "."): value for name, value in files.items()}

    def revision(self, source: HubSource) -> str:
        return digest_of(repr(sorted(self.now.items())))[:40]

    def listing(self, source: HubSource) -> Listing:
        self.listings += 1
        return Listing(revision=source.revision, files=remote(self.now))

    def models(self, author: str, pipeline: str | None) -> tuple[ListedModel, ...]:
        return self.listed


class Watcher:
    """Looks at one entry, and counts what it builds; `asked` is what the entry asks for."""

    def __init__(self, root: Path, hub: ChangingHub) -> None:
        self.store, self.hub = Store(root=root), hub
        self.asked: dict[str, Digest] = {"recipes": digest_of("Q8_0")}
        self.built: list[str] = []
        self.state = "done"

    def look(self, entry: Followed = ENTRY) -> list[tuple[str, str]]:
        looker = Looker(store=self.store, hub=self.hub, asked=lambda _: self.asked)
        outcomes = watch_once((entry,), looker, build=self._build)
        return [(outcome.state, outcome.detail) for outcome in outcomes]

    def _build(self, release: Release) -> ReleaseOutcome:
        self.built.append(release.news)
        return ReleaseOutcome(
            label=release.followed.label,
            revision=release.revision,
            state=self.state,  # type: ignore[arg-type]
            exit_code=0,
            detail="",
        )


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path, ChangingHub())


def test_a_changed_card_builds_nothing_and_is_said_once(watcher: Watcher) -> None:
    watcher.look()
    watcher.hub.publish(README_md="r2")
    ((state, detail),) = watcher.look()
    assert state == "skipped"
    assert detail.startswith("changed: README.md: nothing is built anew for that; as ")
    assert watcher.look() == []
    assert watcher.built == ["the first release seen"]


def test_what_changed_is_said_part_by_part(watcher: Watcher) -> None:
    watcher.look()
    watcher.hub.publish(tokenizer_json="t2", config_json="k2", README_md="r2")
    watcher.look()
    watcher.hub.now |= {"chat_template.jinja": "c2", "model.safetensors": "w2"}
    watcher.look()
    assert watcher.built[1:] == ["changed: tokenizer, config", "changed: weights, chat template"]


def test_new_recipes_or_suites_for_the_same_revision_are_new(watcher: Watcher) -> None:
    watcher.look()
    for part in ("recipes", "suite", "corpus", "policy", "options"):
        watcher.asked = watcher.asked | {part: digest_of(f"another {part}")}
        assert watcher.look() == [("done", "")]
        assert watcher.look() == []
        assert watcher.built[-1] == f"changed: {part}"


def test_what_was_asked_for_before_is_not_built_twice(watcher: Watcher) -> None:
    before = watcher.asked
    watcher.look()
    watcher.asked = {"recipes": digest_of("Q4_K_M")}
    watcher.look()
    watcher.asked = before
    assert watcher.look() == []


def test_a_card_that_changes_before_the_release_is_built_loses_nothing(watcher: Watcher) -> None:
    watcher.state = "postponed"
    watcher.look()
    watcher.hub.publish(README_md="r2")
    watcher.state = "done"
    assert watcher.look() == [("done", "")]


def test_an_entry_says_whose_change_builds_nothing(watcher: Watcher) -> None:
    entry = replace(ENTRY, ignore=("chat template", "corpus"))
    watcher.look(entry)
    watcher.hub.now |= {"chat_template.jinja": "c2"}
    watcher.asked |= {"corpus": digest_of("more traffic")}
    ((state, detail),) = watcher.look(entry)
    assert state == "skipped"
    assert "changed: chat template, corpus: nothing is built anew for that" in detail


def test_a_hub_is_asked_for_files_only_where_there_is_something_new(watcher: Watcher) -> None:
    for _ in range(4):
        watcher.look()
    assert watcher.hub.listings == 1


def test_a_claim_of_before_is_taken_over_by_what_is_asked_for_now(watcher: Watcher) -> None:
    revision = watcher.hub.revision(HubSource(repository="org/model"))
    claims = Claims(watcher.store.root)
    key = ReleaseKey(label="org/model", revision=revision, asked=digest_of([]))
    with claims.taken(key, ReleaseContents(parts={})) as claim:
        assert claim is not None
        claims.settle(claim, "done", "1 of 1 variants passed")
    (file,) = watcher.store.root.glob("releases/*/*.json")
    old = json.loads(file.read_text())
    file.unlink()
    for name in ("asked", "contents"):
        del old[name]
    (file.parent / f"{revision}.json").write_text(json.dumps(old))
    assert watcher.look() == []
    watcher.asked = {"recipes": digest_of("others")}
    assert watcher.look() == [("done", "")]
    assert len(claims.all()) == 2


def test_a_reopened_release_is_built_again(watcher: Watcher) -> None:
    watcher.state = "failed"
    watcher.look()
    assert watcher.look() == []
    claims = Claims(watcher.store.root)
    claims.reopen(claims.all()[0])
    watcher.state = "done"
    assert watcher.look() == [("done", "")]


def test_files_of_a_repository_belong_to_parts() -> None:
    whole = parts_of_repository(remote(FILES))
    assert list(whole.parts) == ["chat template", "config", "weights", "tokenizer"]
    assert dict(whole.others) == {"README.md": "r1"}
    more = parts_of_repository(remote(FILES | {f"{n}.bin": "x" for n in range(9)}))
    assert changes(whole, more).said() == (
        "changed: 0.bin, 1.bin, 2.bin, 3.bin, 4.bin and 4 more: nothing is built anew for that"
    )


def test_quants_of_others_are_new_as_they_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    settings = Settings.from_environment()
    make_road(tmp_path, ("Q8_0",), items_a_slice=2)
    watch_list = tmp_path / "releases.yaml"
    watch_list.write_text(
        "follow:\n  - model: org/model\n    build: build.yaml\n"
        "    foreign: ['hub:them/GGUF:*Q4*.gguf', 'q/*.gguf']\n"
    )
    (entry,) = load_watch_list(watch_list)
    assert [place.text for place in spec_of(entry, "org/model").foreign] == [
        "hub:them/GGUF:*Q4*.gguf",
        str(tmp_path / "q/*.gguf"),
    ]
    hub = ChangingHub()
    seen = [asked_parts(entry, settings, hub)]
    hub.publish(README_md="r2")
    seen.append(asked_parts(entry, settings, hub))
    hub.now |= {"m-Q4_K_M.gguf": "q1"}
    seen.append(asked_parts(entry, settings, hub))
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "ours.gguf").write_bytes(b"GGUF")
    seen.append(asked_parts(entry, settings, hub))
    quants = [parts["quants of others"] for parts in seen]
    assert quants[0] == quants[1]
    assert len(set(quants)) == 3
    assert {part for part in seen[0] if seen[0][part] != seen[3][part]} == {"quants of others"}


def followed_by(tmp_path: Path, hub: ChangingHub, text: str) -> list[str]:
    path = tmp_path / "releases.yaml"
    path.write_text(f"follow:\n  - {text}\n")
    looker = Looker(store=Store(root=tmp_path / "store"), hub=hub, asked=lambda _: {})
    return [
        release.model.partition("@")[0] for release in looker.look(load_watch_list(path)).releases
    ]


def test_a_pattern_follows_every_repository_that_fits_and_its_limits(tmp_path: Path) -> None:
    hub = ChangingHub()
    apache = ("conversational", "license:apache-2.0")
    hub.listed = (
        ListedModel(repository="org/a-Instruct", tags=apache, pipeline="text-generation"),
        ListedModel(repository="org/b-Instruct", tags=("license:mit",), pipeline="text-generation"),
        ListedModel(repository="org/c-Instruct", tags=apache, pipeline="feature-extraction"),
        ListedModel(repository="org/a-base", tags=apache, pipeline="text-generation"),
    )

    def follow(text: str) -> list[str]:
        return followed_by(tmp_path, hub, f"{{suite: s, {text}}}")

    assert len(follow("model: 'org/*'")) == 4
    assert follow("model: 'org/*-Instruct', only: {pipeline: text-generation}") == [
        "org/a-Instruct",
        "org/b-Instruct",
    ]
    assert follow("model: 'org/*-Instruct', only: {tags: [conversational]}") == [
        "org/a-Instruct",
        "org/c-Instruct",
    ]
    assert follow("model: 'org/*', only: {licences: [mit, bsd]}") == ["org/b-Instruct"]
    assert follow("model: 'org/a*', only: {max_gigabytes: 3.0e-08}") == []
    assert len(follow("model: 'org/a*', only: {max_gigabytes: 4.0e-08}")) == 2


def test_an_entry_of_its_own_comes_before_a_pattern(tmp_path: Path) -> None:
    hub = ChangingHub()
    hub.listed = (ListedModel(repository="org/a", tags=(), pipeline=None),)
    both = "{suite: s, model: 'org/*'}\n  - {suite: t, name: mine, model: org/a}"
    assert followed_by(tmp_path, hub, both) == ["org/a"]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{suite: s, model: 'org/*', name: all}", "have no `name` in common"),
        ("{suite: s, model: org/a, only: {tags: [x]}}", "narrows a pattern"),
        ("{suite: s, model: '*/a'}", "is no pattern of repositories"),
        ("{suite: s, model: 'org/a/*'}", "is no pattern of repositories"),
    ],
)
def test_a_pattern_with_a_fault_is_refused(tmp_path: Path, entry: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        followed_by(tmp_path, ChangingHub(), entry)


def drift_of(corpus: str) -> DriftEvent:
    digest = digest_of(corpus)
    return DriftEvent(
        event=EVENT,
        id=corpus,
        occurred="2026-01-01T00:00:00+00:00",
        corpus=f"{corpus}@1",
        corpus_name=corpus,
        corpus_digest=digest,
        traffic="traffic.jsonl",
        traffic_digest=digest,
        result=digest,
        alarms=("language",),
        distance=0.5,
        alpha=0.01,
    )


def test_what_an_entry_asks_for_is_known_by_what_its_files_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    settings = Settings.from_environment()
    road = make_road(tmp_path, ("Q8_0",), items_a_slice=2)
    watch_list = tmp_path / "releases.yaml"
    watch_list.write_text("follow:\n  - {model: org/model, build: build.yaml}\n")
    (entry,) = load_watch_list(watch_list)
    before = asked_parts(entry, settings, ChangingHub())

    def changed(file: str, old: str, new: str) -> set[str]:
        path = road.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        now = asked_parts(entry, settings, ChangingHub())
        path.write_text(text)
        return {part for part in now if now[part] != before[part]}

    seal_event(drift_of("another corpus"), settings.store)
    assert asked_parts(entry, settings, ChangingHub()) == before
    seal_event(drift_of("support-traffic"), settings.store)
    drifted = asked_parts(entry, settings, ChangingHub())
    assert {part for part in before if drifted[part] != before[part]} == {"corpus"}
    before = drifted

    assert changed("build.yaml", "name:", "# a remark\nname:") == set()
    assert changed("build.yaml", "Q8_0", "Q4_K_M") == {"recipes"}
    assert changed("policy.yaml", "2", "3") == {"policy"}
    assert changed("corpus.yaml", "96", "95") == {"corpus"}
    assert changed("suite/items.jsonl", '"id": "', '"id": "x') == {"suite"}
    assert changed("build.yaml", "name:", "kv: q8_0\nname:") == {"options"}


def test_a_reopened_release_is_built_although_an_earlier_one_is_like_it(watcher: Watcher) -> None:
    watcher.state = "failed"
    watcher.look()
    watcher.hub.publish(README_md="r2")
    assert [state for state, _ in watcher.look()] == ["skipped"]
    claims = Claims(watcher.store.root)
    claims.reopen(claims.of("org/model")[-1])
    watcher.state = "done"
    assert watcher.look() == [("done", "")]
    assert watcher.built == ["the first release seen", "taken up again"]


def test_what_changes_while_others_are_built_is_left_to_the_next_look(tmp_path: Path) -> None:
    asked = {"org/first": "suite 1", "org/second": "suite 1"}
    entries = tuple(replace(ENTRY, label=label, hub=HubSource(repository=label)) for label in asked)
    looker = Looker(
        store=Store(root=tmp_path),
        hub=ChangingHub(),
        asked=lambda entry: {"suite": digest_of(asked[entry.label])},
    )
    built: list[tuple[str, str]] = []

    def build(release: Release) -> ReleaseOutcome:
        built.append((release.followed.label, release.key.asked))
        asked["org/second"] = "suite 2"  # somebody edits a file while this builds
        return ReleaseOutcome(
            label=release.followed.label, revision=None, state="done", exit_code=0, detail=""
        )

    seen = watch_once(entries, looker, build=build)
    assert [(each.label, each.state) for each in seen] == [
        ("org/first", "done"),
        ("org/second", "postponed"),
    ]
    assert Claims(tmp_path).of("org/second") == ()
    assert [each.state for each in watch_once(entries, looker, build=build)] == ["done"]
    assert built[1] == ("org/second", looker.key_of(entries[1]).asked)


def test_a_policy_that_is_missing_is_a_problem_of_its_entry_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    settings, hub = Settings.from_environment(), ChangingHub()
    watch_list = tmp_path / "releases.yaml"
    watch_list.write_text(
        "follow:\n  - {model: org/model, suite: 'lm-eval:arc_easy', policy: policy.yaml}\n"
        "  - {model: org/other, suite: 'lm-eval:arc_easy'}\n"
    )
    looker = Looker(
        store=settings.store, hub=hub, asked=lambda entry: asked_parts(entry, settings, hub)
    )
    look = looker.look(load_watch_list(watch_list))
    assert [each.label for each in look.unreachable] == ["org/model"]
    assert "policy.yaml" in str(look.unreachable[0].error)
    assert [each.followed.label for each in look.releases] == ["org/other"]
    (tmp_path / "policy.yaml").write_text("# a remark\nmax_break_rate: 0.2\n")
    assert len(looker.look(load_watch_list(watch_list)).releases) == 2
