"""Fakes that obey the real Protocols: a tiny checkpoint, a backend and a runtime that compute nothing."""

import json
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from quantgate.pipelines.audit.rulers import main_type
from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.recipe import GgufOptions, Numerics, Recipe
from quantgate.pipelines.domain.run import Answer, RuntimeIdentity, Schedule
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.variant import BuildFacts, QuantizedTensor, Toolchain, ToolVersion
from quantgate.pipelines.domain.verdicts.audit import Divergence, Resemblance
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.base_messages import PositionDivergences
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.loading_report import LoadingReport
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce, PromptSet
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS, GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker
from quantgate.pipelines.specs.kv_caches import without_kv_suffix
from quantgate.pipelines.specs.recipes import catalogue

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


DRIFT = Divergence(
    mean_kl=0.01,
    top1_agreement=0.99,
    tokens=100,
    resemblances=(Resemblance(name="layer.weight", cosine=0.9),),
)
"""What round-to-nearest drifts, whatever the ruler."""


def write_tokenizer(folder: Path, template: str = TEMPLATE) -> None:
    """Write a byte-level tokenizer without merges, and a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"</s>": 0} | {letter: n for n, letter in enumerate(alphabet, start=1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"eos_token": "</s>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"eos_token_id": 0}))


def fake_checkpoint(folder: Path) -> Checkpoint:
    """A checkpoint folder with a tokenizer and no weights worth the name."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    parts = {name: digest_of(name) for name in ("weights", "tokenizer", "chat_template", "config")}
    return Checkpoint(
        name="demo",
        source=str(folder),
        folder=folder,
        digests=CheckpointDigests(**parts),
        architecture="LlamaForCausalLM",
        dtype="float16",
        parameter_count=1024,
        size_bytes=2048,
        context_length_tokens=256,
        tensors=(
            TensorFacts(name="layer.weight", shape=(4, 256), dtype="float16"),
            TensorFacts(name="norm", shape=(1,), dtype="float16"),
        ),
    )


@dataclass
class FakeBackend:
    """Writes a file that says what was asked for. `fail_on` names recipes whose build crashes."""

    fail_on: tuple[str, ...] = ()
    built: list[str] = field(default_factory=list)
    misfit: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Nothing is missing."""
        return None

    def toolchain(self, threads: int) -> Toolchain:
        """A fixed toolchain."""
        tools = (ToolVersion(name="fake", version="1"),)
        return Toolchain(tools=tools, device="cpu", threads=threads)

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """What the test wants."""
        return self.misfit

    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
        """Nothing is like it."""
        return None

    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Nothing is to be said."""
        return ()

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Write one small weights file."""
        self.built.append(request.recipe.name)
        if request.recipe.name in self.fail_on:
            (request.output / "half").write_text("half")
            raise WorkerError("crashed", where=request.recipe.name, log=request.log)
        on_progress(Progress(done=1, total=1, what="fake"))
        artifact = request.output / "model.gguf"
        artifact.write_text(request.recipe.name)
        bits = request.recipe.nominal_bits
        tensor = QuantizedTensor(
            name="layer.weight",
            type="fake",
            parameter_count=1024,
            bits_per_weight=bits,
            quantized=True,
        )
        calibration = request.calibration
        facts = BuildFacts(
            tensors=(tensor,),
            promised=("layer.weight",),
            calibration_sequences=calibration.sequence_count if calibration else 0,
            calibration_tokens=calibration.token_count if calibration else 0,
            nonfinite_tensors=(),
            warnings=(),
            seconds=0.0,
            peak_memory_bytes=1,
        )
        return Built(artifact=artifact, facts=facts)


@dataclass
class FakeRuntime:
    """Answers every item `right`; `wrong` maps an artifact's text to the item ids it gets wrong.

    `stop_after` makes it crash after that many new answers, once. `margins` are told with the answers.
    """

    wrong: dict[str, set[str]] = field(default_factory=dict)
    stop_after: int | None = None
    asked: list[str] = field(default_factory=list)
    probe_detail: str = ""
    wrong_text: str = "wrong"
    template: str = TEMPLATE
    drift: Divergence = DRIFT
    binds: bool = True
    measured_by: str = "fake 1"
    measured: list[DivergenceRequest] = field(default_factory=list)
    base_kl: float | None = 1e-6
    margins: dict[str, float] = field(default_factory=dict)

    def missing(self) -> str | None:
        """Nothing is missing."""
        return None

    def constrains(self) -> bool:
        """What the test wants."""
        return self.binds

    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """An identity that is fixed but for what the recipe says of the KV cache."""
        return RuntimeIdentity(
            engine="fake",
            version="1",
            device="cpu",
            kv_cache=subject.kv_cache if isinstance(subject, Recipe) else "f16",
            compute_dtype="f32",
            kernels="native" if subject else "reference",
        )

    def source_digest(self) -> Digest:
        """A fixed digest."""
        return digest_of("fake")

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """The checkpoint itself."""
        return Loadable(path=checkpoint.folder, format=None)

    def refusal(self, checkpoint: Checkpoint) -> str | None:
        """It loads whatever it is given."""
        return None

    def schedule(self, threads: int) -> Schedule:
        """One slot."""
        return Schedule(slots=1, threads=threads)

    def held_at_once(self, asked: PromptSet, schedule: Schedule, weights: int, /) -> HeldAtOnce:
        """As many of the longest as there are slots."""
        return asked.held(schedule.slots)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """All is well, unless the test gave a detail."""
        lines = request.texts.read_text().splitlines()
        return ProbeReport(
            loads=not self.probe_detail or request.loadable.format is None,
            finite_logits=True,
            compared_texts=len(lines),
            mismatched_texts=(),
            beginning_of_sequence_id=-1,
            end_of_sequence_id=0,
            vocabulary_size=257,
            chat_template=self.template,
            detail=self.probe_detail,
        )

    def server_access(self) -> None:
        """Return None: no server answers."""

    def contents(self, loadable: Loadable) -> Contents:
        """Labels and types as the recipe named in the file promises; a norm that equals the base's."""
        file_type = _file_type(loadable.path)
        weight = _stored("layer.weight", main_type(file_type) if file_type else "F16", (4, 256))
        return Contents(
            tensors=(_stored("norm", "F32", (1,)), weight),
            file_type=FILE_TYPE_NUMBERS[file_type or "F16"],
            quantization={},
            stop_token_ids=(0,),
        )

    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        """What the test wants."""
        return digest_of(self.measured_by)

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """As far as round-to-nearest, unless the test wants another; requests are remembered."""
        self.measured.append(request)
        return self.drift

    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """The same at every position, unless the test wants no measurement."""
        if self.base_kl is None:
            return None
        count = sum(len(passage.positions) for passage in request.checkpoint_logits.passages)
        return PositionDivergences(kl=(self.base_kl,) * count, agreed=(True,) * count)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Append answers to what is not answered yet."""
        path = request.loadable.path
        wrong = self.wrong.get(path.read_text(), set()) if path.is_file() else set()
        answered = (
            request.answers.read_text().strip().split("\n") if request.answers.exists() else []
        )
        done = {json.loads(line)["item_id"] for line in answered if line}
        with request.answers.open("a") as file:
            for line in request.prompts.read_text().splitlines():
                item_id = json.loads(line)["item_id"]
                if item_id in done:
                    continue
                if self.stop_after is not None and len(self.asked) >= self.stop_after:
                    self.stop_after = None
                    raise WorkerError("was killed by SIGKILL", where="fake", log=request.log)
                self.asked.append(item_id)
                answer = Answer(
                    item_id=item_id,
                    text=self.wrong_text if item_id in wrong else "right",
                    token_ids=(1, 2),
                    finish_reason="stop",
                    prompt_tokens=3,
                    margin=self.margins.get(item_id),
                )
                file.write(json.dumps(to_json(answer)) + "\n")


def fake_rulers(
    request: RulersRequest, run_worker: RunWorker, on_progress: OnProgress
) -> tuple[Divergence, ...]:
    """The same for every ruler."""
    return (DRIFT,) * len(request.rulers)


def fake_loading(
    checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
) -> LoadingReport:
    """All is there, and nothing is said."""
    return LoadingReport(config_json="{}", missing=(), misshapen=(), unused=())


def _file_type(artifact: Path) -> str | None:
    """The file type of the recipe that a fake artifact names; None for the base's folder."""
    if not artifact.is_file():
        return None
    named = {recipe.name: recipe for recipe in catalogue()}
    recipe = named.get(without_kv_suffix(artifact.read_text()))
    options = recipe.options if recipe else None
    return options.file_type if isinstance(options, GgufOptions) else None


def _stored(name: str, dtype: str, shape: tuple[int, ...]) -> StoredTensor:
    """Values wherever: any file has four bytes to be read as a float."""
    size = round(GGML_TYPES[dtype].bits_per_weight * prod(shape) / 8)
    return StoredTensor(
        name=name, dtype=dtype, shape=shape, file=Path(__file__), start=0, size_bytes=size
    )
