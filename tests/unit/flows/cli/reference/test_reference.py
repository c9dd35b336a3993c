"""The reference page has every command and every key of the files that people write."""

import re
from pathlib import Path

import quantgate
from quantgate.flows.cli.reference.variables import OF_THE_PROGRAM_S_OWN, VARIABLES
from quantgate.flows.cli.reference.writing import reference_text


def test_every_command_and_the_keys_of_a_build_file_stand_in_it() -> None:
    text = reference_text()
    for name in ("quantgate quantize", "quantgate corpus build", "quantgate schema"):
        assert f"### {name}\n" in text
    assert "| `speed` | boolean | Time every variant beside its base" in text
    assert "`--search [size" in text
    assert "--quiet`" not in text.partition("## Commands")[2]


def test_every_variable_that_the_code_reads_stands_in_it_or_is_the_program_s_own() -> None:
    package = Path(quantgate.__file__).parent
    texts = (
        module.read_text(encoding="utf-8")
        for room in ("flows", "registry", "calibration", "pipelines")
        for module in (package / room).resolve().rglob("*.py")
        if module.name != "variables.py"
    )
    read = {name for text in texts for name in re.findall(r'"_?(QUANTGATE_[A-Z_]*[A-Z])"', text)}
    named = {variable.name for variable in VARIABLES}
    assert read - named == set(OF_THE_PROGRAM_S_OWN)
    text = reference_text()
    assert all(f"| `{variable.name}` |" in text for variable in VARIABLES)
