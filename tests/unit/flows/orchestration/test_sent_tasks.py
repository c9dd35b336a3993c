"""What another process runs is sent by its name, and Prefect's errors arrive as one of ours."""

from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from pathlib import Path

import cloudpickle
import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from quantgate.flows.orchestration import steps, tasks
from quantgate.flows.orchestration.quantize import quantize, quantize_plan
from quantgate.flows.orchestration.runners.choosing import task_runner
from quantgate.flows.orchestration.runners.clusters import (
    ClusterKind,
    carried_variables,
    cluster_errors,
    require_answer,
)
from quantgate.flows.orchestration.server.trouble import PrefectGoneError, prefect_errors
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import (
    InputError,
    QuantgateError,
    ServiceError,
    ToolchainError,
)

UNITS = ("base", "ask", "reference", "build", "audit", "answer", "judge", "register")


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_sent_as_the_name_of_its_function(unit: str) -> None:
    arrived = cloudpickle.loads(cloudpickle.dumps(getattr(tasks, unit)))
    assert arrived.fn is getattr(steps, unit)


def test_the_flow_is_sent_as_the_name_of_its_function() -> None:
    assert cloudpickle.loads(cloudpickle.dumps(quantize)).fn is quantize_plan


def test_a_setting_says_where_units_run() -> None:
    for name, kind in (("", "ThreadPool"), ("processes", "ProcessPool")):
        settings = Settings.from_environment({"QUANTGATE_TASK_RUNNER": name})
        with task_runner(settings) as runner:
            assert type(runner).__name__ == f"{kind}TaskRunner"
    with pytest.raises(InputError, match="there is no task runner 'slurm'"):
        Settings.from_environment({"QUANTGATE_TASK_RUNNER": "slurm"})


@pytest.mark.parametrize(
    ("runner", "address", "said"),
    [
        ("threads", "tcp://host:8786", "names a cluster, and units run in threads"),
        ("dask", "host", "'host' is no address of a cluster"),
        ("ray", "ray://127.0.0.1:9", "the cluster does not answer"),
    ],
)
def test_a_cluster_that_is_none_is_one_message(runner: str, address: str, said: str) -> None:
    with pytest.raises(QuantgateError) as caught:
        settings = Settings.from_environment(
            {"QUANTGATE_TASK_RUNNER": runner, "QUANTGATE_CLUSTER": address}
        )
        require_answer(settings.cluster or "")
    assert said in str(caught.value)


def test_workers_of_a_cluster_get_what_is_the_builds_and_keep_what_is_their_machines() -> None:
    environment = {
        "QUANTGATE_STORE": "/shared/store",
        "QUANTGATE_WORKERS": "2",
        "QUANTGATE_SHARED_STORE": "s3://bucket/folder",
        "AWS_ENDPOINT_URL": "http://bucket",
        "MLFLOW_TRACKING_URI": "http://registry",
        "PATH": "/bin",
    }
    of_each_machine = {"QUANTGATE_WORKERS", "PATH"}
    assert carried_variables(environment).keys() == environment.keys() - of_each_machine


def _busy() -> PrefectHTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1:9/api/flows/")
    return PrefectHTTPStatusError("503", request=request, response=httpx.Response(503))


@pytest.mark.parametrize(
    "error",
    [
        _busy(),
        httpx.ReadTimeout("slow"),
        ConnectionResetError("gone"),
        RuntimeError("Failed to reach API at http://127.0.0.1:9/api/"),
    ],
)
def test_a_server_that_is_away_or_busy_is_one_transient_error(
    error: Exception, tmp_path: Path
) -> None:
    with (
        pytest.raises(PrefectGoneError, match="Prefect's server went away") as caught,
        prefect_errors("http://127.0.0.1:9/api", tmp_path),
    ):
        raise error
    assert caught.value.transient
    assert "\n" not in caught.value.what


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ours"), prefect_errors("url", tmp_path):
        raise RuntimeError("ours")


_OVER = RuntimeError("Service exceeded error threshold.")


@pytest.mark.parametrize(
    "error",
    [
        _OVER,
        ExceptionGroup("unhandled errors", [ExceptionGroup("unhandled errors", [_OVER])]),
        ExceptionGroup("unhandled errors", [_OVER, httpx.ConnectError("gone")]),
    ],
)
def test_a_poller_that_gave_up_is_a_server_that_is_away(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(PrefectGoneError, match="Service exceeded error threshold") as caught,
        prefect_errors("url", tmp_path),
    ):
        raise error
    assert caught.value.transient


def test_a_group_with_an_error_of_ours_stays_what_it_is(tmp_path: Path) -> None:
    group = ExceptionGroup("unhandled errors", [_OVER, ValueError("ours")])
    with pytest.raises(ExceptionGroup) as caught, prefect_errors("url", tmp_path):
        raise group
    assert caught.value is group


DASK = ClusterKind(
    name="Dask",
    packages=("dask", "distributed", "prefect_dask"),
    losses=(OSError, CancelledError),
    deaths=(ChildProcessError,),
)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("cannot pickle '_thread.lock' object"),
        RuntimeError("a fault of Dask's"),
        ExceptionGroup("several", [TimeoutError("late"), TypeError("cannot pickle x")]),
    ],
)
def test_what_is_no_loss_of_a_cluster_is_told_in_its_own_words(error: Exception) -> None:
    causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    for each in causes:
        with suppress(Exception):
            raised_through(("prefect", "distributed", "tornado"), each)
    with pytest.raises(ToolchainError) as caught, cluster_errors(DASK, None):
        raise error
    assert caught.value.what == f"Dask failed: {type(causes[-1]).__name__}: {causes[-1]}"
    assert caught.value.where == "workers of this machine"


def raised_through(packages: tuple[str, ...], error: Exception) -> None:
    """Raise an error in code of the last package, which those before it called."""

    def raise_it() -> None:
        raise error

    call = raise_it
    for package in reversed(packages):
        code = {"__name__": f"{package}.some.module", "call": call}
        exec("def calling():\n    call()", code)  # frames of packages that are optional
        call = code["calling"]  # type: ignore[assignment]
    call()


@pytest.mark.parametrize(
    ("packages", "error", "is_the_clusters"),
    [
        (("prefect", "distributed"), TimeoutError("no scheduler"), True),
        (("prefect_dask", "distributed", "tornado"), OSError("timed out"), True),
        (("distributed", "prefect", "httpx"), httpx.ConnectError("refused"), False),
        (("prefect",), ConnectionError("refused"), False),
        (("distributed",), InputError("a unit's", where="x"), False),
        (("prefect_dask", "distributed"), CancelledError("finalize"), True),
        (("distributed",), ExceptionGroup("several", [ValueError("x")]), False),
    ],
)
def test_what_a_cluster_raises_is_told_as_the_clusters(
    packages: tuple[str, ...], error: Exception, is_the_clusters: bool
) -> None:
    expected = ServiceError if is_the_clusters else type(error)
    with (
        pytest.raises(expected) as caught,
        prefect_errors("http://127.0.0.1:4200/api", Path("/store"))
        if is_the_clusters
        else nullcontext(),
        cluster_errors(DASK, "tcp://head:8786"),
    ):
        raised_through(packages, error)
    if isinstance(caught.value, ServiceError):
        assert not isinstance(caught.value, PrefectGoneError)
        assert str(caught.value.what) == f"Dask's cluster went away ({error})"
        assert caught.value.transient


def test_a_unit_over_which_workers_die_is_no_cluster_that_went_away() -> None:
    with (
        pytest.raises(ServiceError, match="workers of Dask's cluster died over a unit") as caught,
        cluster_errors(DASK, "tcp://head:8786"),
    ):
        raised_through(("distributed",), ChildProcessError("build-1 was tried on 4 workers"))
    assert caught.value.transient
    assert "more memory" in str(caught.value.next_step)
