"""Build files: which checkpoint, which corpus, which suite, which policy, which recipes."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Self, cast

from pydantic import Field, StringConstraints, model_validator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.files.reading import is_there
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS
from quantgate.pipelines.specs.foreign import (
    ForeignEntry,
    ForeignPlace,
    PlaceText,
    foreign_places,
)
from quantgate.pipelines.specs.loading import Spec, load_yaml
from quantgate.pipelines.specs.names import ModelName
from quantgate.pipelines.specs.servers import ServerFile, refuse_names
from quantgate.pipelines.specs.template_variables import TemplateVariables

Statement = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""What stands in a lineage for ever: blanks alone say nothing."""


class WaiverFile(Spec):
    """One item that may stand in the corpus all the same."""

    item: Statement
    """Its id in the suite."""
    reason: Statement
    """Why this is no contamination, or bearable."""
    who: Statement
    """Who says so."""
    expires: date
    """The last day on which this holds, e.g. 2026-12-31."""

    @property
    def waiver(self) -> ContaminationWaiver:
        """As the domain has it."""
        return ContaminationWaiver(
            item_id=self.item, reason=self.reason, who=self.who, expires=self.expires
        )


class BaseDivergenceWaiverFile(Spec):
    """A base that computes something else than its checkpoint may judge all the same."""

    reason: Statement
    """Why this is meant, or bearable."""
    who: Statement
    """Who says so."""
    expires: date
    """The last day on which this holds, e.g. 2026-12-31."""

    @property
    def waiver(self) -> BaseDivergenceWaiver:
        """As the domain has it."""
        return BaseDivergenceWaiver(reason=self.reason, who=self.who, expires=self.expires)


class BuildFile(Spec):
    """A build file: what to build, on what to judge it. Paths are relative to the file."""

    name: ModelName | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """What variants are registered under; without it the checkpoint's own name."""
    model: str
    """The checkpoint: a folder, a GGUF file, or `org/name[@revision]` on a model hub."""
    expand: Statement | None = None
    """Why a low-bit GGUF file is expanded to bfloat16 and taken as a base; whatever is made of it says so."""
    suite: str
    """Folder with suite.yaml and its items."""
    corpus: str | None = None
    """Corpus spec (YAML) that calibrated recipes take their text from."""
    corpora: tuple[str, ...] = ()
    """Several corpus specs instead: every calibrated recipe is built on each, and they are compared. `none`
    stands for the same numerics without calibration."""
    policy: str | None = None
    """Policy file (YAML); without it the default policy."""
    recipes: tuple[str, ...] | None = None
    """Recipe names, patterns such as `Q4*`, or recipe files; without it one recipe of each common kind,
    and where it is empty the checkpoint is judged on its own."""
    foreign: tuple[PlaceText | ForeignEntry, ...] = ()
    """Quants of the model that others made, judged beside: a GGUF file, a folder, a pattern of files, or
    `hub:org/name[@revision][:pattern]`."""
    nearest: bool = False
    """Take the catalogue's nearest recipe in place of one that does not fit the checkpoint's shapes."""
    offload: bool = False
    """Have llm-compressor read from disk, layer by layer, what memory does not hold of the base."""
    kv: KvCacheType | tuple[KvCacheType, ...] = ()
    """KV-cache types in which every GGUF recipe is judged, e.g. `[f16, q8_0]`; their files are built once."""
    servers: dict[str, ServerFile] = Field(default_factory=dict)
    """Servers that speak OpenAI's interface, by name (docs/runtimes.md)."""
    judge_in: str | tuple[str, ...] = ()
    """Servers in which recipes are judged: each in the first that serves its format, others as they say."""
    template_variables: TemplateVariables = Field(default_factory=dict)
    """What the model's chat template is handed beside every conversation, laid over the suite's own."""
    contamination_waivers: tuple[WaiverFile, ...] = ()
    """Items of the suite that may stand in the corpus; each stays in the lineage of what is registered."""
    base_divergence_waiver: BaseDivergenceWaiverFile | None = None
    """A runtime may judge variants although it computes something else than the checkpoint; it stays in the
    lineage of what is registered."""
    speed: bool = False
    """Time every variant beside its base: tokens a second, time to the first token, memory, energy."""
    attest: bool = False
    """What passes has to be attested: without a key (setting QUANTGATE_ATTEST_WITH) nothing is built."""

    @property
    def named_corpora(self) -> tuple[str, ...]:
        """All corpora that it names, however it does."""
        return self.corpora or ((self.corpus,) if self.corpus else ())

    @model_validator(mode="after")
    def _names_corpora_once(self) -> Self:
        if self.corpora and self.corpus:
            raise ValueError("a build has either `corpus` or `corpora`")
        return self

    @model_validator(mode="after")
    def _names_no_type_twice(self) -> Self:
        if len(set(self.kv_caches)) != len(self.kv_caches):
            raise ValueError("kv names a type twice")
        refuse_names(tuple(self.servers))
        return self

    @property
    def kv_caches(self) -> tuple[KvCacheType, ...]:
        """The types as a sequence; empty leaves each recipe its own."""
        return (self.kv,) if isinstance(self.kv, str) else self.kv

    @property
    def judged_in(self) -> tuple[str, ...]:
        """The servers' names as a sequence; empty leaves each recipe its own runtime."""
        return (self.judge_in,) if isinstance(self.judge_in, str) else self.judge_in


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What the user asked for. `model` is a folder, a GGUF file or `org/name[@revision]`.

    `name` is what variants are registered under; None takes the checkpoint's own name. `folder` is
    where relative recipe files are looked for. Without any recipe the checkpoint is judged on its own.
    `kv_caches` are the types in which every recipe that has the choice is judged; empty leaves each its own.
    `judge_in` names those of `servers` in which recipes are judged instead of their own runtimes.
    `template_variables` are laid over the suite's. `anyway` builds also where the base is reliably right on
    too few items for anything to pass. `nearest` takes the catalogue's nearest recipe in place of one that
    does not fit the checkpoint; with `bundled`, where nobody chose the recipes, one is left out rather than
    the build refused. `foreign` are places of quants that others made, judged beside what is built.
    `expansion` is why a low-bit checkpoint is expanded. `offload` lets whatever computes with weights read
    from the disk what memory does not hold. `plan_only`: nothing is built, so that quants on a hub are not
    fetched. `queue` builds also where the registry cannot be reached: what is judged waits. `attest` refuses
    to build without a key that what passes is attested with. `speed` has every variant timed.
    """

    name: str | None
    model: str
    suite: Path
    policy: Path | None
    recipes: tuple[str, ...]
    kv_caches: tuple[KvCacheType, ...] = ()
    folder: Path
    servers: tuple[Server, ...] = ()
    judge_in: tuple[str, ...] = ()
    contamination_waivers: tuple[ContaminationWaiver, ...] = ()
    corpora: tuple[Path | None, ...] = ()
    template_variables: JsonObject = field(default_factory=dict)
    base_divergence_waiver: BaseDivergenceWaiver | None = None
    anyway: bool = False
    nearest: bool = False
    bundled: bool = False
    foreign: tuple[ForeignPlace, ...] = ()
    expansion: str | None = None
    offload: bool = False
    plan_only: bool = False
    queue: bool = False
    attest: bool = False
    speed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOverrides:
    """What stands on the command line; None leaves the build file's word, no recipes asks for none.

    A model that is another one than the build file's is not registered under that one's name.
    """

    name: str | None = None
    model: str | None = None
    suite: Path | None = None
    corpora: tuple[Path | None, ...] = ()
    policy: Path | None = None
    recipes: tuple[str, ...] | None = None
    kv_caches: tuple[KvCacheType, ...] | None = None
    base_divergence_waiver: BaseDivergenceWaiver | None = None
    foreign: tuple[ForeignPlace, ...] = ()
    expansion: str | None = None


def load_build(
    path: Path | None, overrides: BuildOverrides, default_recipes: tuple[str, ...]
) -> BuildSpec:
    """Combine a build file, if any, with the command line.

    Raises:
        InputError: where the file has problems, or model or suite are said nowhere.
    """
    if path is not None:
        spec = _from_file(path, default_recipes)
    else:
        if not overrides.model or not overrides.suite:
            raise InputError(
                "a build needs a model and a suite",
                next_step="name them (`quantgate quantize MODEL --suite DIR`) or give --build FILE",
            )
        spec = BuildSpec(
            name=None,
            model=overrides.model,
            suite=overrides.suite,
            policy=None,
            recipes=default_recipes,
            bundled=True,
            folder=Path.cwd(),
        )
    other = overrides.model is not None and not _is_same_model(overrides.model, spec.model)
    return replace(
        spec,
        name=overrides.name or (None if other else spec.name),
        model=overrides.model or spec.model,
        suite=overrides.suite or spec.suite,
        corpora=overrides.corpora or spec.corpora,
        policy=overrides.policy or spec.policy,
        recipes=spec.recipes if overrides.recipes is None else overrides.recipes,
        bundled=spec.bundled and overrides.recipes is None,
        kv_caches=overrides.kv_caches or spec.kv_caches,
        base_divergence_waiver=overrides.base_divergence_waiver or spec.base_divergence_waiver,
        foreign=overrides.foreign or spec.foreign,
        expansion=overrides.expansion or spec.expansion,
    )


def _is_same_model(model: str, other: str) -> bool:
    """Whether two sources are one folder or file, or one repository of a hub, in whatever revision."""
    if model == other:
        return True
    if is_there(Path(model)) or is_there(Path(other)):
        return Path(model).resolve() == Path(other).resolve()
    return model.partition("@")[0] == other.partition("@")[0]


def _from_file(path: Path, default_recipes: tuple[str, ...]) -> BuildSpec:
    file = load_yaml(path, BuildFile)
    folder = path.resolve().parent
    local = folder / file.model
    return BuildSpec(
        name=file.name,
        model=str(local) if local.exists() or file.model.startswith(".") else file.model,
        expansion=file.expand,
        suite=folder / file.suite,
        corpora=tuple(
            None if corpus == NO_CORPUS else folder / corpus for corpus in file.named_corpora
        ),
        policy=folder / file.policy if file.policy else None,
        attest=file.attest,
        speed=file.speed,
        recipes=default_recipes if file.recipes is None else file.recipes,
        bundled=file.recipes is None,
        nearest=file.nearest,
        foreign=foreign_places(file.foreign, folder),
        offload=file.offload,
        kv_caches=file.kv_caches,
        folder=folder,
        servers=tuple(server.server(name, folder) for name, server in file.servers.items()),
        judge_in=file.judged_in,
        contamination_waivers=tuple(written.waiver for written in file.contamination_waivers),
        template_variables=cast("JsonObject", file.template_variables),
        base_divergence_waiver=(
            file.base_divergence_waiver.waiver if file.base_divergence_waiver else None
        ),
    )
