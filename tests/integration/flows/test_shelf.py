"""A day-one shelf: two dozen GGUF files of a new model, on a hub, become one table."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.outcome import write_report
from quantgate.pipelines.process.runner import run_worker
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import Architecture
from tests.support.builds.short_build import ITEMS, short_site
from tests.support.builds.walking import judged
from tests.support.llamacpp.checkpoints import described, f16
from tests.support.llamacpp.oracles import oracle
from tests.support.servers.hub import HubServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LLAMA = Architecture(name="LlamaForCausalLM", model_type="llama")
TYPES = (
    *("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0"),
    *("IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "IQ3_S", "Q2_K", "TQ1_0", "TQ2_0"),
)
LARGE = ("Q6_K", "Q5_K", "Q4_K", "Q2_K")
"""Of these there is a second file each, with embeddings and head in eight bits, as many publish theirs."""
NAMES = {f"foreign--tiny-{kind}" for kind in (*TYPES, *(f"{kind}_L" for kind in LARGE))}
EIGHT_BITS = ("--token-embedding-type", "q8_0", "--output-tensor-type", "q8_0")


def shelf(model: Path, folder: Path) -> dict[str, bytes]:
    """Return what somebody publishes of a model, by file name; llama.cpp's own program made it."""
    folder.mkdir()
    wide = f16(described(model, {}, context=512))
    program = str(oracle("llama-quantize"))
    for kind in TYPES:
        file = str(folder / f"tiny-{kind}.gguf")
        subprocess.run([program, str(wide), file, kind, "1"], check=True, capture_output=True)
    for kind in LARGE:
        files = (str(wide), str(folder / f"tiny-{kind}_L.gguf"))
        command = [program, *EIGHT_BITS, *files, kind, "1"]
        subprocess.run(command, check=True, capture_output=True)
    quants = {file.name: file.read_bytes() for file in folder.iterdir()}
    return quants | {"tiny-F16.gguf": wide.read_bytes(), "README.md": b"quants of tiny"}


def test_a_shelf_of_two_dozen_files_on_a_hub_becomes_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_checkpoint_of(LLAMA, tmp_path / "dense", run_worker)
    files = shelf(model, tmp_path / "shelf")
    with HubServer() as hub:
        sha = hub.publish("acme/tiny-GGUF", files)
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        place = "hub:acme/tiny-GGUF:*.gguf"
        build = short_site(tmp_path / "build", model, foreign=(place,))
        for planned in build.plan.variants:
            units.build_files(build, planned)
            judgement = judged(build, planned)
            assert judgement.audit.misses == (), planned.identifier
    table: Any = write_report(build).details["variants"]
    assert {row["recipe"]["name"] for row in table} == NAMES
    for row in table:
        assert row["verdict"]["whole"]["items"] == ITEMS
        assert f"acme/tiny-GGUF@{sha}" in json.dumps(row)
