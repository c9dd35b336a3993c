"""Made-up evidence over a real sealed folder, and an MLflow that lives in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time  # noqa: TID251 - MLflow takes the time of day

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
)
from quantgate.pipelines.domain.run import RunContract, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings, GraderSpec, Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.variant import (
    BuildFacts,
    QuantizedTensor,
    Toolchain,
    ToolVersion,
    Variant,
)
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    Interval,
    PairedStatistics,
    SliceVerdict,
    Verdict,
)
from quantgate.pipelines.evaluation.runs import RunPlan, RunRecord
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.variants.variant import PlannedVariant, VariantRecord
from quantgate.registry import Evidence, Tracking
from quantgate.registry.evidence import JudgedTranscript
from quantgate.registry.lineage_tag import GATHERED, gathered, spread
from quantgate.registry.protocol import (
    AliasChange,
    OpenReader,
    RecordedRun,
    RecordedVersion,
    RunContent,
    TaggedRun,
    VersionQuery,
)
from quantgate.registry.reading.alias_changes import changes_of

SUITE = Suite(
    name="support-desk",
    version=3,
    description="",
    folder=Path("suite"),
    digest=digest_of("suite"),
    grader=GraderSpec(kind="exact"),
    decode=DecodeSettings(max_tokens=64),
    slices=(),
    items=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What differs between the pieces of evidence of a test.

    `written` is a whole recipe, instead of one that is made up around its name.
    """

    recipe: str = "Q4_K_M--imatrix"
    size_bytes: int = 4000
    decision: Decision = Decision.PASS
    model: str = "support-llama"
    suite: Suite = SUITE
    policy: Policy = field(default_factory=Policy)
    corpus: str | None = "support-traffic@1"
    corpus_digest: Digest | None = None
    base: str = "base"
    engine: str = "llama.cpp"
    format: Format = Format.GGUF
    broke: int = 0
    written: Recipe | None = None


def evidence_of(sample: Sample, store: Store) -> Evidence:
    """Return evidence whose variant is sealed in the store."""
    checkpoint = _checkpoint(sample)
    variant = _variant(sample, checkpoint, store)
    contract = _contract(sample)
    base = f"{checkpoint.name}--base"
    reference = _transcript(store, base, checkpoint.digests.combined, contract)
    transcript = _transcript(store, variant.identifier, variant.files_digest, contract)
    verdict = _verdict(sample, variant, contract)
    return Evidence(
        checkpoint=checkpoint,
        suite=sample.suite,
        variant=variant,
        audit=AuditReport(
            findings=(AuditFinding(check="loads", passed=True, promised="loads", found="loads"),)
        ),
        verdict=replace(verdict, reference_key=reference.key, run_key=transcript.key),
        references=(reference,),
        transcript=transcript,
    )


def _transcript(
    store: Store, subject: str, subject_digest: Digest, contract: RunContract
) -> JudgedTranscript:
    plan = RunPlan(
        subject=subject,
        subject_digest=subject_digest,
        contract=contract,
        source_digest=digest_of("runtime"),
    )
    folder = store.run(subject, plan.key)

    def produce(staging: Path) -> RunRecord:
        (staging / "transcript.jsonl").write_text(f"{subject}\n")
        return RunRecord(plan=plan, seconds=1.5)

    manifest = produce_once(folder, RunRecord, produce)
    return JudgedTranscript(key=plan.key, folder=folder, digest=manifest.files_digest)


def _checkpoint(sample: Sample) -> Checkpoint:
    part = {name: digest_of([sample.base, name]) for name in ("w", "t", "ct", "c")}
    return Checkpoint(
        name=sample.model,
        source=f"org/{sample.base}@{'0' * 40}",
        folder=Path("checkpoint"),
        digests=CheckpointDigests(
            weights=part["w"], tokenizer=part["t"], chat_template=part["ct"], config=part["c"]
        ),
        architecture="LlamaForCausalLM",
        dtype="bfloat16",
        parameter_count=100,
        size_bytes=200,
        context_length_tokens=512,
        tensors=(),
    )


def _variant(sample: Sample, checkpoint: Checkpoint, store: Store) -> Variant:
    recipe = sample.written or _recipe(sample)
    planned = PlannedVariant(
        identifier=f"{checkpoint.name}--{recipe.name}",
        recipe=recipe,
        base=checkpoint.digests,
        corpus_label=sample.corpus,
        corpus_digest=sample.corpus_digest or (digest_of(sample.corpus) if sample.corpus else None),
        toolchain=Toolchain(
            tools=(ToolVersion(name="llama.cpp", version=str(sample.size_bytes)),),
            device="cpu",
            threads=1,
        ),
    )

    def produce(staging: Path) -> VariantRecord:
        weights = (sample.recipe.encode() * sample.size_bytes)[: sample.size_bytes]
        (staging / "model.gguf").write_bytes(weights)
        return VariantRecord(plan=planned, facts=_build_facts(), artifact="model.gguf")

    folder = planned.folder(store)
    manifest = produce_once(folder, VariantRecord, produce)
    return Variant(
        identifier=planned.identifier,
        key=planned.key,
        recipe=planned.recipe,
        base=planned.base,
        corpus_label=planned.corpus_label,
        corpus_digest=planned.corpus_digest,
        toolchain=planned.toolchain,
        facts=_build_facts(),
        folder=folder,
        artifact=folder / "model.gguf",
        files_digest=manifest.files_digest,
        manifest_digest=manifest.digest,
        size_bytes=manifest.size_bytes,
    )


def _recipe(sample: Sample) -> Recipe:
    return Recipe(
        name=sample.recipe,
        description="",
        scheme=sample.recipe.partition("--")[0],
        algorithm="k-quant",
        format=sample.format,
        numerics=Numerics(weights="W4", activations="A8", kv_cache="KV16"),
        runtime="llamacpp",
        calibration=Calibration.IMATRIX if sample.corpus else Calibration.NONE,
        calibration_tokens=1000,
        bits_per_weight=BitsPerWeight(low=4.0, high=5.0),
        options=GgufOptions(file_type="Q4_K_M"),
    )


def _build_facts() -> BuildFacts:
    tensor = QuantizedTensor(
        name="w", type="Q4_K", parameter_count=100, bits_per_weight=4.5, quantized=True
    )
    return BuildFacts(
        tensors=(tensor,),
        promised=("w",),
        calibration_sequences=10,
        calibration_tokens=1000,
        nonfinite_tensors=(),
        warnings=(),
        seconds=1.5,
        peak_memory_bytes=1,
    )


def _contract(sample: Sample) -> RunContract:
    return RunContract(
        suite_digest=sample.suite.digest,
        prompts_digest=digest_of("prompts"),
        decode=sample.suite.decode,
        runtime=RuntimeIdentity(
            engine=sample.engine,
            version="0.3.36",
            device="cpu",
            kv_cache="f16",
            compute_dtype="f16",
            kernels="native",
        ),
        schedule=Schedule(slots=16, threads=1),
    )


def _verdict(sample: Sample, variant: Variant, contract: RunContract) -> Verdict:
    statistics = PairedStatistics(
        items=403,  # shares that take all digits of a float
        reference_right=383,
        variant_right=383 - sample.broke,
        unstable=2,
        reliable=378,
        broke=sample.broke,
        fixed=0,
        changed_wrong=1,
        delta=-sample.broke / 403,
        delta_interval=Interval(low=-0.02, high=0.01),
        break_rate_bound=0.02,
        mcnemar_p=1.0,
        detectable_break_rate=0.01,
    )

    def judged(name: str, decision: Decision) -> SliceVerdict:
        return SliceVerdict(
            name=name,
            critical=False,
            decision=decision,
            reason="",
            statistics=statistics,
            unbroken_items_needed=0,
        )

    return Verdict(
        subject=variant.identifier,
        decision=sample.decision,
        reasons=(),
        policy=sample.policy,
        contract=contract,
        reference_key="reference",
        run_key="run",
        suite_digest=sample.suite.digest,
        whole=judged("all", sample.decision),
        slices=(judged("tail", Decision.UNPROVEN), judged("numeric copy", Decision.PASS)),
        items=(),
    )


class PowerCutError(Exception):
    """The moment at which a fake process dies."""


class MemoryRegistry:
    """A `Registry` in memory. `dies_before` names the operation before which power is cut, once."""

    def __init__(self, dies_before: str = "") -> None:
        self.dies_before = dies_before
        self.runs: dict[str, dict[str, str]] = {}
        self.homes: dict[str, str] = {}
        self.moments: dict[str, int] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, str] = {}
        self.descriptions: dict[str, str] = {}
        self.finished: set[str] = set()
        self.contents: dict[str, RunContent] = {}
        self.models: dict[str, dict[str, RecordedVersion]] = {}
        self.pointers: dict[str, dict[str, str]] = {}
        self.model_notes: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.artifacts = Path("/nowhere")

    def open(self, tracking: Tracking) -> "MemoryRegistry":
        return self

    @property
    def open_reader(self) -> OpenReader:
        return MemoryReader(self).open

    def experiment(self, name: str) -> str:
        self._enter("experiment")
        return f"experiment of {name}"

    def find_run(self, experiment_id: str, evidence_key: str) -> RecordedRun | None:
        self._enter("find_run")
        for run_id, tags in self.runs.items():
            if tags["evidence_key"] == evidence_key:
                return RecordedRun(id=run_id, finished=run_id in self.finished)
        return None

    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        self._enter("tagged_runs")
        return tuple(
            TaggedRun(id=run_id, tags=held)
            for run_id, held in reversed(self.runs.items())
            if self.homes[run_id] == f"experiment of {experiment}"
            and run_id in self.finished
            and tags.items() <= held.items()
        )

    def first_content(self, suite: str) -> str | None:
        self._enter("first_content")
        finished = (tags for run_id, tags in self.runs.items() if run_id in self.finished)
        return next((tags["suite_digest"] for tags in finished if tags.get("suite") == suite), None)

    def first_moment(self, experiment_id: str, scope: str) -> int | None:
        self._enter("first_moment")
        moments = (
            self.moments[run_id]
            for run_id, tags in self.runs.items()
            if tags.get("scope") == scope
            and run_id in self.finished
            and self.homes[run_id] == experiment_id
        )
        return min(moments, default=None)

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> RecordedRun:
        self._enter("start_run")
        run_id = f"run{len(self.runs)}"
        self.runs[run_id] = dict(tags)
        self.homes[run_id] = experiment_id
        self.moments[run_id] = int(time() * 1000) + len(self.runs)
        return RecordedRun(id=run_id, finished=False)

    def fill_run(self, run_id: str, content: RunContent, files: Path) -> None:
        self._enter("fill_run")
        self.files[run_id] = {file.name: file.read_bytes() for file in files.iterdir()}
        if "verdict" in self.runs[run_id]:
            assert self.files[run_id].keys() >= {"verdict.json", "audit.json"}
        self.contents[run_id] = content

    def add_model(self, run_id: str, manifest: Path, work: Path) -> None:
        self._enter("add_model")
        self.manifests[run_id] = manifest.read_text()

    def renew_model(self, run_id: str, manifest: Path) -> None:
        self._enter("renew_model")
        self.manifests[run_id] = manifest.read_text()

    def finish_run(self, run_id: str) -> None:
        self._enter("finish_run")
        self.finished.add(run_id)

    def artifact_uri(self, run_id: str) -> str:
        self._enter("artifact_uri")
        return f"{self.artifacts.as_uri()}/{run_id}"

    def versions(self, model: str, tags: Mapping[str, str]) -> tuple[RecordedVersion, ...]:
        self._enter("versions")
        return tuple(
            version
            for version in self.models.get(model, {}).values()
            if tags.items() <= version.tags.items()
        )

    def create_version(self, model: str, run_id: str, tags: Mapping[str, str]) -> RecordedVersion:
        self._enter("create_version")
        versions = self.models.setdefault(model, {})
        number = str(max(map(int, versions), default=0) + 1)
        versions[number] = RecordedVersion(number=number, run_id=run_id, tags=spread(tags))
        return versions[number]

    def set_run_tag(self, run_id: str, key: str, value: str) -> None:
        self._enter("set_run_tag")
        self.runs[run_id][key] = value

    def delete_version(self, model: str, number: str) -> None:
        self._enter("delete_version")
        self.models[model].pop(number, None)
        pointers = self.pointers.get(model, {})
        self.pointers[model] = {name: at for name, at in pointers.items() if at != number}

    def set_version_tag(self, model: str, number: str, key: str, value: str) -> None:
        self._enter("set_version_tag")
        assert key not in GATHERED, "it stands in the tag that gathers it"
        version = self.models[model][number]
        tags = spread({**version.tags, key: value})
        self.models[model][number] = replace(version, tags=tags)

    def edit_version(self, model: str, number: str, **texts: str) -> None:
        """Alter tags as somebody does by hand, those in the tag that gathers them among them."""
        version = self.models[model][number]
        tags = spread(gathered({**version.tags, **texts}))
        self.models[model][number] = replace(version, tags=tags)

    def delete_version_tag(self, model: str, number: str, key: str) -> None:
        self._enter("delete_version_tag")
        version = self.models[model][number]
        tags = {name: text for name, text in version.tags.items() if name != key}
        self.models[model][number] = replace(version, tags=tags)

    def describe_version(self, model: str, number: str, text: str) -> None:
        self._enter("describe_version")
        version = self.models[model][number]
        self.models[model][number] = replace(version, description=text)

    def describe_model(self, model: str, text: str) -> None:
        self._enter("describe_model")
        self.descriptions[model] = text

    def add_run_file(self, run_id: str, file: Path) -> None:
        self._enter("add_run_file")
        self.files[run_id][file.name] = file.read_bytes()

    def aliases(self, model: str) -> Mapping[str, str] | None:
        self._enter("aliases")
        return self.pointers.get(model, {}) if model in self.models else None

    def point_alias(self, model: str, alias: str, number: str | None) -> None:
        self._enter("point_alias")
        pointers = self.pointers.setdefault(model, {})
        if number is None:
            del pointers[alias]
        else:
            pointers[alias] = number

    def model_names(self) -> tuple[str, ...]:
        self._enter("model_names")
        return tuple(sorted(self.models))

    def model_tags(self, model: str) -> Mapping[str, str] | None:
        self._enter("model_tags")
        return dict(self.model_notes.get(model, {})) if model in self.models else None

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._enter("set_model_tag")
        assert len(key) <= 250
        assert len(value) <= 5000
        self.model_notes.setdefault(model, {})[key] = value

    def delete_model_tag(self, model: str, key: str) -> None:
        self._enter("delete_model_tag")
        self.model_notes.get(model, {}).pop(key, None)

    def _enter(self, operation: str) -> None:
        self.calls.append(operation)
        if operation == self.dies_before:
            self.dies_before = ""
            raise PowerCutError(operation)


class MemoryReader:
    """A `RegistryReader` of what a `MemoryRegistry` holds."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self.registry = registry

    @contextmanager
    def open(self, tracking: Tracking) -> "Iterator[MemoryReader]":
        tracking.require_database()
        yield self

    def run_tags(self, run_id: str) -> Mapping[str, str]:
        return self.registry.runs[run_id] if run_id in self.registry.finished else {}

    def version(self, model: str, number: str) -> RecordedVersion | None:
        held = self.registry.models.get(model, {}).get(number)
        pointers = self.registry.pointers.get(model, {})
        aliases = tuple(sorted(a for a, pointed in pointers.items() if pointed == number))
        return replace(held, aliases=aliases) if held is not None else None

    def alias_version(self, model: str, alias: str) -> RecordedVersion | None:
        number = self.registry.pointers.get(model, {}).get(alias)
        return self.version(model, number) if number is not None else None

    def versions(self, query: VersionQuery) -> tuple[RecordedVersion, ...]:
        held = reversed(self.registry.models.get(query.model, {}).values())
        asked = [
            version
            for version in held
            if query.tags.items() <= version.tags.items()
            and all(
                version.tags.get(key) not in (None, *texts)
                for key, texts in query.other_tags.items()
            )
        ]
        return tuple(asked[: query.limit])

    def aliases(self, model: str) -> Mapping[str, str] | None:
        return self.registry.aliases(model)

    def alias_changes(self, model: str) -> tuple[AliasChange, ...]:
        return changes_of(self.registry.model_notes.get(model, {}))

    def model_names(self, like: str) -> tuple[str, ...]:
        return self.registry.model_names()

    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        return self.registry.tagged_runs(experiment, tags)

    def run_file(self, run_id: str, name: str) -> bytes | None:
        return self.registry.files.get(run_id, {}).get(name)

    def first_content(self, suite: str) -> str | None:
        return self.registry.first_content(suite)


def tracking_in(folder: Path) -> Tracking:
    """Return a tracking of a SQLite database under `folder`, whatever the environment says."""
    return Tracking.resolve(Store(root=folder), environment={})


def empty_database(tracking: Tracking) -> None:
    """Make a look-up believe that a registry exists (the memory registry has no file)."""
    assert tracking.database is not None
    tracking.database.parent.mkdir(parents=True, exist_ok=True)
    tracking.database.touch()


def opened_tracking(folder: Path) -> Tracking:
    """Return a tracking of a database that is there, for a memory registry."""
    tracking = tracking_in(folder)
    empty_database(tracking)
    return tracking


def other_digest(text: str) -> Digest:
    """Return a digest that nothing else has."""
    return digest_of(["other", text])
