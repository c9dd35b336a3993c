"""What the model that MLflow loads has to know: where files are, their digests, how answers are sampled.

`registry/mlflow/workers` reads it. A version that several suites judged has the decode settings of each, and
says which counts where nobody asks: that of the newest it passes.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.sealed import Manifest
from quantgate.pipelines.sharing.parts import parts_of
from quantgate.registry.champions.judged import on_suite, suites_of
from quantgate.registry.evidence import Evidence
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import PASSED, VERSION_TAGS, from_tags, to_tags
from quantgate.registry.serving import serving_command
from quantgate.registry.tags import NONE, SCOPE_SINCE


def write_model_manifest(
    evidence: Evidence,
    manifest: Manifest[object],
    path: Path,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write it for a version with these tags; without tags for the one that this evidence will make."""
    held = to_tags(version_facts(evidence)) if tags is None else dict(tags)
    variant = evidence.variant
    artifact = variant.artifact.relative_to(variant.folder)
    facts = {tag.name: held[tag.name] for tag in VERSION_TAGS if tag.name in held}
    files: list[JsonValue] = [
        {
            "path": file.path,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
            "parts": [part.name for part in parts_of(file.path, file.size_bytes)],
        }
        for file in manifest.files
    ]
    suites = _suites(held)
    document: JsonObject = {
        "location": held["location"],
        "place": held.get("place", NONE),
        "artifact": artifact.as_posix(),
        "files": files,
        "facts": {**facts, "model": evidence.model},
        "context_length_tokens": evidence.checkpoint.context_length_tokens,
        "serve": serving_command(from_tags(held, variant.identifier), Path("FOLDER") / artifact),
        "decode": {suite: json.loads(text) for suite, text in suites.items()},
        "suite": next(iter(suites), evidence.suite.name),
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


def _suites(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the decode settings of each suite, as JSON: those that pass before others, newest first."""
    seen = {suite: on_suite(tags, suite) or {} for suite in suites_of(tags)}
    said = {suite: each for suite, each in seen.items() if each.get("decode", NONE) != NONE}

    def rank(suite: str) -> tuple[bool, int]:
        return said[suite].get("verdict") == PASSED, int(said[suite].get(SCOPE_SINCE, "0"))

    return {suite: said[suite]["decode"] for suite in sorted(said, key=rank, reverse=True)}
