"""Sources to drawn sequences: scanned, drawn by rank and mix, fetched, redacted and counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import ceil
from pathlib import Path

from quantgate.calibration.drawing.mixing import Drawing, shares_of
from quantgate.calibration.drawing.passes import Passes
from quantgate.calibration.drawing.reduction import Scanned
from quantgate.calibration.drawing.rendering import rendered_ids
from quantgate.calibration.drawing.scanning import rank_of
from quantgate.calibration.redaction.entities import problems_of
from quantgate.calibration.redaction.options import EntityCount, RedactionReport
from quantgate.calibration.redaction.redact import RedactionResult, missing, redact
from quantgate.calibration.resources import BuildResources
from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.sources.rows import content_of
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.evaluation.chat import ChatFormat

_FEW_TOKENS_A_ROW = 16
"""A guess on the low side of how many tokens rows have; where it is too high, sources are scanned again."""
_FIRST_ROWS = 1000
_WIDEST = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Sequences in drawing order, with what the scan counted and what redaction found.

    `token_counts` are there where the spec names a tokenizer; `same_after_redaction` were drawn and left out.
    """

    sequences: tuple[CorpusSequence, ...]
    scanned: Scanned
    redaction: RedactionReport | None
    token_counts: tuple[int, ...] | None
    same_after_redaction: int


@dataclass
class _DrawingState:
    sequences: list[CorpusSequence] = field(default_factory=list)
    contents: set[bytes] = field(default_factory=set)
    tokens: list[int] = field(default_factory=list)
    reports: list[RedactionReport] = field(default_factory=list)
    token_sum: int = 0
    same: int = 0


def draw(
    spec: CorpusSpec,
    sources: Sequence[LocalSource],
    resources: BuildResources,
    *,
    chat: ChatFormat | None,
    scratch: Path,
) -> Drawn:
    """Return the sequences that a spec asks for.

    Raises:
        InputError: where sources cannot be read, or have too few rows.
        WorkerError, ToolchainError: from child processes, and where the disk is full.
    """
    _refuse_redaction(spec)
    at_most = spec.sequences or ceil((spec.tokens or 0) / _FEW_TOKENS_A_ROW) + _FIRST_ROWS
    passes = Passes(spec, sources, resources, scratch=scratch, at_most=at_most)
    builder = _Builder(spec, resources, passes, chat, scratch)
    factor = 1
    while True:
        scanned = passes.scan(factor)
        drawn = builder.collect(scanned)
        if drawn is not None or factor >= _WIDEST:
            break
        factor *= 4
    if drawn is None:
        raise InputError(
            "the mix cannot be drawn: too many equal rows",
            where=f"corpus {spec.name}",
            next_step="ask for fewer rows, or add rows that differ",
        )
    return Drawn(
        sequences=tuple(drawn.sequences),
        scanned=scanned,
        redaction=_merged(drawn.reports),
        token_counts=tuple(drawn.tokens) if chat is not None else None,
        same_after_redaction=drawn.same,
    )


def _refuse_redaction(spec: CorpusSpec) -> None:
    """Refuse options that nobody can follow, before the first row is read."""
    if problems := problems_of(spec.redaction):
        raise InputError(
            "\n  ".join(["redaction cannot be done:", *problems]),
            where=f"corpus {spec.name}",
            next_step="mend `redaction:` in the spec",
        )
    if sentence := missing(spec.redaction):
        raise ToolchainError(sentence, next_step="`make doctor` says more")


class _Builder:
    def __init__(
        self,
        spec: CorpusSpec,
        resources: BuildResources,
        passes: Passes,
        chat: ChatFormat | None,
        scratch: Path,
    ) -> None:
        self._spec, self._resources, self._passes = spec, resources, passes
        self._chat, self._scratch = chat, scratch

    def collect(self, scanned: Scanned) -> _DrawingState | None:
        """Draw until there is enough; None where a cell ran dry of which the scan kept too little."""
        drawing = Drawing(scanned.pools, shares_of(self._spec))
        stream = iter(drawing)
        drawn = _DrawingState()
        while missing := self._rows_missing(drawn):
            batch = list(islice(stream, missing))
            if drawing.exhausted & scanned.cut:
                return None
            if not batch:
                break
            self._take(drawn, self._passes.fetch(batch))
        return drawn

    def _rows_missing(self, drawn: _DrawingState) -> int:
        """Return how many more rows to look at, 0 when there is enough."""
        have, spec = len(drawn.sequences), self._spec
        missing = (spec.sequences or have + _FIRST_ROWS) - have
        if spec.tokens is None or not missing:
            return missing
        left = spec.tokens - drawn.token_sum
        if left <= 0:
            return 0
        guess = ceil(left * have / drawn.token_sum) + 1 if drawn.token_sum else _FIRST_ROWS
        return min(missing, guess) if spec.sequences else guess

    def _take(self, drawn: _DrawingState, sequences: Sequence[CorpusSequence]) -> None:
        """Add sequences, redacted where the spec says so, until there is enough."""
        if self._spec.redaction.mode == "off":
            self._add(drawn, sequences)
            return
        result = self._redacted(sequences)
        used = self._add(drawn, result.sequences)
        if used < len(sequences):  # the report is of what is in the corpus
            result = self._redacted(sequences[:used])
        drawn.reports.append(result.report)

    def _add(self, drawn: _DrawingState, sequences: Sequence[CorpusSequence]) -> int:
        """Add sequences until there is enough; return how many were looked at."""
        for index, sequence in enumerate(sequences):
            if not self._rows_missing(drawn):
                return index
            content = rank_of(content_of(sequence), 0)
            if content in drawn.contents:
                drawn.same += 1
                continue
            drawn.contents.add(content)
            drawn.sequences.append(sequence)
            if self._chat is not None:
                drawn.tokens.append(len(rendered_ids(sequence, self._chat)))
                drawn.token_sum += drawn.tokens[-1]
        return len(sequences)

    def _redacted(self, sequences: Sequence[CorpusSequence]) -> RedactionResult:
        return redact(
            sequences,
            self._spec.redaction,
            run_worker=self._resources.run(),
            folder=self._scratch,
            on_progress=self._resources.on_progress,
        )


def _merged(reports: Sequence[RedactionReport]) -> RedactionReport | None:
    """Put the reports of several batches together; nearly always there is one."""
    if not reports:
        return None
    counts: dict[tuple[str, str], EntityCount] = {}
    for count in (count for report in reports for count in report.counts):
        key = (count.entity, count.source)
        sum_so_far = counts.get(key, replace(count, found=0, sequences=0))
        counts[key] = replace(
            sum_so_far,
            found=sum_so_far.found + count.found,
            sequences=sum_so_far.sequences + count.sequences,
        )
    return replace(
        reports[0],
        sequences=sum(report.sequences for report in reports),
        sequences_with_findings=sum(report.sequences_with_findings for report in reports),
        counts=tuple(counts[key] for key in sorted(counts)),
    )
