"""What the first writer of a registry needs is imported before it waits for that."""

import sys
from pathlib import Path

import pytest

from quantgate.registry.opening import import_ahead


@pytest.mark.parametrize(("source", "imported"), [("found = 1", True), ("1 / 0", False)])
def test_it_is_imported_beside_and_its_failure_is_no_ones_but_the_openers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, imported: bool
) -> None:
    (tmp_path / "slow_to_import.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)
    import_ahead("slow_to_import").join()
    assert ("slow_to_import" in sys.modules) == imported
    sys.modules.pop("slow_to_import", None)
