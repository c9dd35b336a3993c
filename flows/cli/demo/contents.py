"""What the demo is made of: a finished build without its weights, as one compressed file of the package.

Answers are as the runtimes gave them, but for their token ids: of those only the number is kept. Paths of the
machine that built it are replaced by `STORE`.
"""

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.prediction import Prediction
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.evaluation.runs import RunPlan
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.report.build_report import BaseReport

EXAMPLE = Path(__file__).with_name("example.json.xz")
"""The build of examples/support-desk; `make demo-data` makes it anew."""

STORE = Path("/quantgate-demo")
"""Stands for the store, wherever the demo is unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRun:
    """One run of the suite: who was asked, and every raw answer."""

    plan: RunPlan
    seconds: float
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVariant:
    """A variant with what its audit found before it was asked; its verdict is made anew.

    `registered_version` is its version in the registry, None where it has none.
    """

    identifier: str
    recipe: Recipe
    variant: Variant
    audit: AuditReport
    run: DemoRun
    registered_version: str | None
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBuild:
    """A finished build. `references` are the base's runs by runtime, the primary one first.

    `registry` is the SQL that makes the registry which the build filled. `quantgate` is the version of the
    program that built it.
    """

    created_at: datetime
    quantgate: str
    checkpoint: Checkpoint
    corpora: tuple[Corpus, ...]
    suite: Suite
    policy: Policy
    bases: tuple[BaseReport, ...]
    references: Mapping[str, tuple[DemoRun, ...]]
    variants: tuple[DemoVariant, ...]
    registry: str


def read_demo(path: Path = EXAMPLE) -> DemoBuild:
    """Return a packed build.

    Raises:
        pydantic.ValidationError: another version of this program packed it.
    """
    value: JsonValue = json.loads(lzma.decompress(path.read_bytes()))
    return from_json(DemoBuild, value)


def write_demo(build: DemoBuild, path: Path = EXAMPLE) -> None:
    """Pack a build, as small as may be."""
    text = json.dumps(to_json(build), ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
