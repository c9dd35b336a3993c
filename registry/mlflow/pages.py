"""MLflow's own server in one process, on a socket that already listens: `python -m … DESCRIPTOR`.

`mlflow server` starts its workers as children of its own, which outlive it where it is killed. What it serves
is told by the variables that it sets for those (mlflow/server/constants.py; `serving_environment`).
"""

import socket
import sys

_BACKEND, _ARTIFACTS = "_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_ARTIFACT_ROOT"


def serving_environment(uri: str, artifact_root: str) -> dict[str, str]:
    """Return the variables by which MLflow's server serves a database and a folder of artifacts."""
    return {
        _BACKEND: uri,
        _ARTIFACTS: artifact_root,
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 GB of workers for what nobody asks here
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def serve(descriptor: int) -> None:
    """Serve until SIGTERM."""
    import uvicorn

    config = uvicorn.Config(
        "mlflow.server.fastapi_app:app", log_level="warning", timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
