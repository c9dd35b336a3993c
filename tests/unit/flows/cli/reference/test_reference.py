"""docs/reference.md says what the program says of itself."""

from quantgate.flows.cli.reference.writing import REFERENCE, reference_text


def test_the_reference_is_what_commands_and_schemas_say_now() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference_text(), "run `make schemas`"


def test_every_command_and_the_keys_of_a_build_file_stand_in_it() -> None:
    text = reference_text()
    for name in ("quantgate quantize", "quantgate corpus build", "quantgate schema"):
        assert f"### {name}\n" in text
    assert "| `speed` | boolean | Time every variant beside its base" in text
    assert "`--search [size" in text
