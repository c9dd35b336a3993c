"""What every command that works does first: the store can be written to, and dead runs' leftovers go."""

from pipelines.files.disk_trouble import require_writable
from pipelines.files.store import Store
from pipelines.files.temporary import clear_staging, clear_temporary


def prepare(store: Store) -> None:
    """Make a store ready for work.

    Raises:
        ToolchainError: it cannot be written to.
    """
    require_writable(store.root)
    clear_temporary()
    clear_temporary(store.root / "traffic")
    clear_staging(store.root)
