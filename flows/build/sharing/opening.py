"""The store that this host shares with others, if settings name one: checked before, attached for a build."""

from collections.abc import Callable

from quantgate.flows.settings import Settings, SharedStoreSettings
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.second_level import attach
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.sharing.opening import SHARED_VARIABLE, open_objects, require_shareable
from quantgate.pipelines.sharing.shared_store import SharedStore


def refuse_unusable_shared_store(settings: Settings, say: Callable[[str], None]) -> None:
    """Refuse a shared store that will never work as it is named; one that is away now stops no build.

    Raises:
        InputError, ToolchainError: its address is none, or what reaches it is not installed.
        ServiceError: it refuses us, has no such bucket, or lets two hosts create one object.
    """
    if settings.shared is None:
        return
    objects = open_objects(settings.shared.address)
    try:
        require_shareable(objects)
    except ServiceError as error:
        if not error.transient:
            raise
        say(f"{error.where}: {error.what}; this host builds alone until it answers")


def attach_shared_store(settings: Settings, say: Callable[[str], None]) -> None:
    """Have all that this process makes in its store looked up in the shared one, where there is one."""
    shared = settings.shared
    attach(settings.store.root, None if shared is None else _opened(shared, settings.store, say))


def prepare_shared_store(settings: Settings) -> str:
    """Make the place that settings name one that hosts share, unless it is; return its address.

    Raises:
        InputError: the settings name none.
        ServiceError, ToolchainError: it cannot be used, or does not answer.
    """
    objects = open_objects(_required(settings).address)
    objects.prepare()
    require_shareable(objects)
    return objects.address


def open_shared_store(settings: Settings, say: Callable[[str], None]) -> SharedStore:
    """Return the shared store, after a look whether it can be used.

    Raises:
        InputError: the settings name none.
        ServiceError, ToolchainError: it cannot be used, or does not answer.
    """
    shared = _required(settings)
    require_shareable(open_objects(shared.address))
    return _opened(shared, settings.store, say)


def _required(settings: Settings) -> SharedStoreSettings:
    if settings.shared is None:
        raise InputError(
            "this store is shared with no other host",
            where=str(settings.store.root),
            next_step=f"set {SHARED_VARIABLE} to s3://bucket/folder or file:///folder",
        )
    return settings.shared


def _opened(shared: SharedStoreSettings, store: Store, say: Callable[[str], None]) -> SharedStore:
    return SharedStore(
        store.root,
        open_objects(shared.address),
        shared.kinds,
        lease_seconds=shared.lease_seconds,
        say=say,
    )
