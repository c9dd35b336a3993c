"""The reference page has every command and every key of the files that people write."""

from quantgate.flows.cli.reference.writing import reference_text


def test_every_command_and_the_keys_of_a_build_file_stand_in_it() -> None:
    text = reference_text()
    for name in ("quantgate quantize", "quantgate corpus build", "quantgate schema"):
        assert f"### {name}\n" in text
    assert "| `speed` | boolean | Time every variant beside its base" in text
    assert "`--search [size" in text
    assert "--quiet`" not in text.partition("## Commands")[2]
