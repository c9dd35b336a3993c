"""Counts of what redaction found, by entity and source, with places and never the text that stood there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quantgate.calibration.redaction.options import (
    EntityCount,
    EntityPlace,
    RedactionOptions,
    RedactionReport,
)
from quantgate.calibration.redaction.replacing import EntityFinding
from quantgate.calibration.redaction.texts import PlacedText
from quantgate.pipelines.domain.corpus import CorpusSequence

_EXAMPLES_OF_AN_ENTITY = 5


@dataclass(slots=True)
class EntityTally:
    """Grows by one row at a time, in little memory."""

    _sequences: int = 0
    _with_findings: int = 0
    _findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    _rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    _examples: dict[str, list[EntityPlace]] = field(default_factory=dict)

    def count(
        self,
        sequence: CorpusSequence,
        parts: Sequence[PlacedText],
        findings: Mapping[int, Sequence[EntityFinding]],
    ) -> None:
        """Add one row; `findings` are by index into `parts`."""
        self._sequences += 1
        self._with_findings += bool(findings)
        entities: set[str] = set()
        for index, part_findings in findings.items():
            for finding in part_findings:
                entities.add(finding.entity)
                self._findings[finding.entity, sequence.source] += 1
                self._keep(sequence, parts[index], finding)
        for entity in entities:
            self._rows[entity, sequence.source] += 1

    def report(self, options: RedactionOptions, detector: str) -> RedactionReport:
        """Return the report over all rows; counts by entity, then source."""
        return RedactionReport(
            options=options,
            detector=detector,
            names_looked_for=options.mode != "off" and options.ner_model is not None,
            sequences=self._sequences,
            sequences_with_findings=self._with_findings,
            counts=tuple(
                EntityCount(
                    entity=entity,
                    source=source,
                    found=self._findings[entity, source],
                    sequences=self._rows[entity, source],
                )
                for entity, source in sorted(self._findings)
            ),
            examples=tuple(
                place for entity in sorted(self._examples) for place in self._examples[entity]
            ),
        )

    def _keep(self, sequence: CorpusSequence, part: PlacedText, finding: EntityFinding) -> None:
        kept = self._examples.setdefault(finding.entity, [])
        if len(kept) < _EXAMPLES_OF_AN_ENTITY:
            kept.append(
                EntityPlace(
                    entity=finding.entity,
                    sequence_id=sequence.id,
                    source=sequence.source,
                    part=part.place,
                    start=finding.start,
                    end=finding.end,
                    score=finding.score,
                )
            )
