"""What a build left in its store: read from sealed folders, also where it was cut off."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantgate.pipelines.domain.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRun:
    """A run of a variant or of the base, by the end of its name: its answers and how long they took."""

    device: str
    seconds: float
    texts: Mapping[str, str]


def runs(store: Path) -> dict[str, SealedRun]:
    """Return the first run of each subject, by what follows the model's name in its identifier."""
    by_subject: dict[str, SealedRun] = {}
    for folder, record in _records(store / "runs"):
        contract = record["plan"]["contract"]
        if contract["schedule"]["order_seed"] == 0:
            texts = {
                row["item_id"]: row["text"]
                for row in map(json.loads, (folder / "transcript.jsonl").read_text().splitlines())
            }
            by_subject[_short(record["plan"]["subject"])] = SealedRun(
                device=contract["runtime"]["device"], seconds=record["seconds"], texts=texts
            )
    return by_subject


def divergences(store: Path) -> dict[str, float]:
    """Return each audited variant's divergence from its base in its own runtime, in nats a token."""
    by_name = {}
    for folder, record in _records(store / "audits"):
        report = record.get("report") or {}
        if divergence := report.get("divergence"):
            by_name[_short(folder.name.rpartition("--")[0])] = float(divergence["mean_kl"])
    return by_name


def build_seconds(store: Path) -> dict[str, float]:
    """Return how long each variant's workers took to build it."""
    return {
        _short(record["plan"]["identifier"]): float(record["facts"]["seconds"])
        for _, record in _records(store / "variants")
    }


def artifact(store: Path, recipe: str) -> Path | None:
    """Return the file or folder of a built variant; None where it was not built."""
    for folder, record in _records(store / "variants"):
        if _short(record["plan"]["identifier"]) == recipe:
            return folder / str(record["artifact"])
    return None


def summary(store: Path) -> JsonObject:
    """Return all of it, a row a variant or base."""
    answered, drifted, built = runs(store), divergences(store), build_seconds(store)
    rows: JsonObject = {}
    for name in sorted({*answered, *drifted, *built}):
        run = answered.get(name)
        rows[name] = {
            "device": run.device if run else None,
            "answering_seconds": round(run.seconds, 2) if run else None,
            "items": len(run.texts) if run else None,
            "mean_kl": drifted.get(name),
            "build_seconds": built.get(name),
        }
    return rows


def compared(store: Path, other: Path) -> JsonObject:
    """Return, for each subject of both stores, equal answers, and this one's figures beside it."""
    rows: JsonObject = {}
    here, there = runs(store), runs(other)
    drifted, drifted_there = divergences(store), divergences(other)
    for name in sorted(set(here) & set(there)):
        items = set(here[name].texts) & set(there[name].texts)
        same = sum(here[name].texts[item] == there[name].texts[item] for item in items)
        rows[name] = {
            "items": len(items),
            "equal_answers": same,
            "answering_time_ratio": round(here[name].seconds / there[name].seconds, 3),
            "mean_kl": drifted.get(name),
            "mean_kl_there": drifted_there.get(name),
        }
    return rows


def _records(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for manifest in sorted(folder.glob("*/manifest.json")):
        yield manifest.parent, json.loads(manifest.read_bytes())["record"]


def _short(identifier: str) -> str:
    return identifier.partition("--")[2]
