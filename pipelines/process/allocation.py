"""How this process gives memory back to the system."""

import ctypes

_M_MMAP_THRESHOLD = -3
"""`mallopt(3)` of glibc, `malloc.h`."""
_LARGE_BYTES = 1 << 20


def give_back_large_blocks() -> None:
    """Have every block of a mebibyte or more go back to the system as soon as it is freed.

    glibc raises that limit to the size of blocks that were freed, up to 32 MiB, and takes later ones from a
    heap that shrinks at its end alone: small blocks in between hold all of it (1 GB of 3.6 GB of weights that
    were read, compressed and written one after the other). Costs a system call and fresh pages a block. Other
    C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
