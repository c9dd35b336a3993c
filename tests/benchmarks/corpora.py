"""How long `quantgate corpus build` takes over a million chat rows (about 1 GB), and how much memory."""

import json
import random
import shutil
import sys
from pathlib import Path

import yaml

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import Store
from tests.benchmarks.measuring.processes import cost_of_command
from tests.benchmarks.measuring.ratios import Cost

ROWS = 1_000_000
SECONDS, BYTES = 180.0, 1_000_000_000
SEQUENCES = 10_000

_SAID = {
    "en": "Could you please tell me when my order will arrive, I have been waiting for it. ",
    "de": "Können Sie mir bitte sagen, wann meine Bestellung ankommt, ich warte seit Tagen. ",
    "fr": "Pourriez-vous me dire quand ma commande arrivera, je l'attends depuis des jours. ",
    "es": "¿Podría decirme cuándo llegará mi pedido, lo estoy esperando desde hace días? ",
    "sw": "Tafadhali niambie agizo langu litafika lini, nimekuwa nikilisubiri kwa siku nyingi. ",
}
_MIX: JsonObject = {
    "filters": {"min_characters": 50, "exclude": "(?i)forbidden word"},
    "mix": {
        "language": {"en": 2, "de": 1, "fr": 1, "es": 1, "sw": 1},
        "length": {"0-600": 1, "600-1200": 2, "1200-": 1},
    },
}


def run(store: Store) -> None:
    """Print seconds, rows a second and the memory peak of the process tree, for two specs."""
    measure(store.root, ROWS)


def measure(folder: Path, rows: int) -> None:
    """Build from as many rows as are wanted, drawn alike and mixed by language and length."""
    source = folder / "rows.jsonl"
    write_rows(source, rows)
    for name, more in (("drawn alike", {}), ("mixed by language and length", _MIX)):
        cost = build(folder, {"name": name.replace(" ", "-"), **more})
        target = f", wanted {SECONDS:.0f} s and {BYTES / 1e9:g} GB" if rows == ROWS else ""
        print(
            f"corpus build, {rows:,} rows ({source.stat().st_size / 1e9:.2f} GB), {name}: "
            f"{cost.seconds:.1f} s ({cost.cpu_seconds:.1f} CPU s), {rows / cost.seconds:,.0f} rows/s, "
            f"peak {cost.peak_bytes / 1e6:.0f} MB{target}",
            flush=True,
        )


def build(folder: Path, spec: JsonObject) -> Cost:
    """Return what `quantgate corpus build` costs over the rows in a folder, in an empty store."""
    path = folder / "spec.yaml"
    sized: JsonObject = {"sequences": SEQUENCES, "sources": [{"path": "rows.jsonl"}]}
    path.write_text(yaml.safe_dump(sized | spec))
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    command = [sys.executable, "-m", "quantgate", "corpus", "build", str(path)]
    return cost_of_command(command, folder / "log.txt", {"QUANTGATE_STORE": str(store)})


def write_rows(path: Path, rows: int) -> None:
    """Write conversations in five languages, some hundred to some thousand characters, one in fifty twice."""
    draw = random.Random(0)
    languages = list(_SAID)
    before = ""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            if number % 50 == 49:
                file.write(before)
                continue
            said = _SAID[languages[draw.randrange(5)]]
            user = f"{said * draw.randint(1, 10)}Order {draw.randrange(10**9)}. "
            answer = f"Order {draw.randrange(10**9)}: {said * draw.randint(1, 12)}"
            messages = [
                {"role": "user", "content": user},
                {"role": "assistant", "content": answer},
            ]
            row = {"id": f"r{number}", "messages": messages}
            before = json.dumps(row, ensure_ascii=False) + "\n"
            file.write(before)
