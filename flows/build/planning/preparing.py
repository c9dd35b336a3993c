"""What every command that works does first: the store can be written to, and dead runs' leftovers go."""

from quantgate.pipelines.files.disk.trouble import require_writable
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.files.temporary import clear_temporary, clear_unfinished


def prepare(store: Store) -> None:
    """Make a store ready for work.

    Raises:
        ToolchainError: it cannot be written to.
    """
    require_writable(store.root)
    clear_temporary()
    clear_temporary(store.root / "traffic")
    clear_temporary(store.offloaded)
    clear_unfinished(store.root)
