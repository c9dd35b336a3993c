"""Settings of a machine: the environment variables that are read, as the reference has them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable, what holds where it is not set, and what it says."""

    name: str
    default: str
    says: str


VARIABLES = (
    Variable(
        name="QUANTGATE_STORE",
        default="the nearest `.quantgate` upwards, else a new one here",
        says="Folder of the store; `--store` goes before it.",
    ),
    Variable(
        name="QUANTGATE_CACHE",
        default="`$XDG_CACHE_HOME/quantgate`, else `~/.cache/quantgate`",
        says="Folder of tools that many stores share.",
    ),
    Variable(
        name="QUANTGATE_WORKERS",
        default="cores by threads",
        says="How many units run side by side.",
    ),
    Variable(
        name="QUANTGATE_THREADS",
        default="1 of up to 4 cores, else 4",
        says="Threads of each of them; workers times threads are at most the cores.",
    ),
    Variable(
        name="QUANTGATE_MEMORY",
        default="the machine's, or its container's",
        says="Gigabytes that all units may hold together.",
    ),
    Variable(
        name="QUANTGATE_HUNG_MINUTES",
        default="30",
        says="Minutes after which a child that neither computes nor says anything is ended; 0 for never.",
    ),
    Variable(
        name="QUANTGATE_DEVICE",
        default="`auto`",
        says="Where engines compute ([GPUs](gpus.md)).",
    ),
    Variable(
        name="QUANTGATE_TASK_RUNNER",
        default="`threads`",
        says="Where units run: `threads`, `processes`, `dask` or `ray`.",
    ),
    Variable(
        name="QUANTGATE_CLUSTER",
        default="none",
        says="Address of a Dask or Ray cluster that runs already.",
    ),
    Variable(
        name="QUANTGATE_SHARED_STORE",
        default="none",
        says="A bucket or folder that hosts share.",
    ),
    Variable(
        name="QUANTGATE_SHARED_LEASE",
        default="120",
        says="Seconds after which a host that is heard of no more has lost what it was making.",
    ),
    Variable(
        name="QUANTGATE_SHARED_LIMIT",
        default="50G",
        says="Folders above this size stay on the host that made them.",
    ),
    Variable(
        name="QUANTGATE_SHARED_BASES",
        default="no",
        says="`yes`: the F16 GGUF of each base is shared as well.",
    ),
    Variable(
        name="QUANTGATE_WEIGHTS",
        default="in the store",
        says="Where weights of versions are sent that are registered from then on.",
    ),
    Variable(
        name="QUANTGATE_ATTEST_WITH",
        default="none",
        says="Private key by which every version is attested when it is registered.",
    ),
    Variable(
        name="QUANTGATE_ALLOW_UNSANDBOXED",
        default="not set",
        says="`1`: programs in answers run with limits and nothing else where no sandbox can be had.",
    ),
    Variable(
        name="QUANTGATE_WEBHOOK_SECRET",
        default="none",
        says="Secret of the messages that `quantgate webhook` takes.",
    ),
    Variable(
        name="QUANTGATE_SERVER",
        default="none",
        says="Address (`http://HOST:PORT/v1`) of the server that a loaded version asks.",
    ),
    Variable(
        name="QUANTGATE_SERVER_KEY",
        default="none",
        says="That server's API key.",
    ),
    Variable(
        name="MLFLOW_TRACKING_URI",
        default="a registry in the store",
        says="The registry. MLflow's other variables hold as well.",
    ),
    Variable(
        name="PREFECT_API_URL",
        default="a server of the store's own",
        says="The Prefect server. Prefect's other variables hold as well.",
    ),
    Variable(name="HF_ENDPOINT", default="`https://huggingface.co`", says="The model hub."),
    Variable(name="HF_TOKEN", default="none", says="The hub's token, for what is not public."),
    Variable(name="NO_COLOR", default="not set", says="Set to anything: no colours."),
)
"""In the order in which people meet them; a test holds them against what the code reads."""

OF_THE_PROGRAM_S_OWN = (
    "QUANTGATE_COMPLETE",
    "QUANTGATE_HIDDEN_VARIABLES",
    "QUANTGATE_LOUDNESS",
    "QUANTGATE_PARENT_PID",
    "QUANTGATE_PLACED_GPUS",
    "QUANTGATE_PROGRESS_FD",
)
"""What one of its processes tells another; nobody sets them."""
