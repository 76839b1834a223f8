"""Start MLflow's UI for the runs and models of the store (``make mlflow``), on this machine only, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.sources.naming import without_secrets
from pipeline.store import ArtifactStore
from pipeline.tracking.address import artifact_folder, tracking_uri

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> int:  # noqa: RET503 - the last call does not return
    """Become the MLflow server; return 0 if one already runs elsewhere, 1 if none can be started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or None, help="default: 5000, or a free one")
    parser.add_argument("--store", default=os.environ.get("REVIEW_SENTIMENT_STORE") or str(CHECKOUT / ".store"))
    options = parser.parse_args()
    store = ArtifactStore(options.store)
    try:
        uri = tracking_uri(store)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 1
    if uri is None:
        print("There is no MLflow: tracking is off, or the store is not a folder and MLFLOW_TRACKING_URI is not set.")
        return 1
    if uri.startswith(("http://", "https://")):
        print(f"MLflow already runs: {without_secrets(uri)}")
        return 0
    port = usable_port(options.port)
    if port is None:
        print(f"Port {options.port} of {HOST} is taken; name another: make mlflow PORT=…", file=sys.stderr)
        return 1
    print(f"MLflow: http://{HOST}:{port} (ready after some seconds; stop it with Ctrl-C)", flush=True)
    os.execve(  # noqa: S606 - Ctrl-C then reaches MLflow itself.
        sys.executable,
        [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"],
        environment(uri, port, artifact_folder(store)),
    )


def usable_port(asked: int | None) -> int | None:
    """Return the requested port if it is free; without a request, the default port or any free one."""
    for port in [asked] if asked else [DEFAULT_PORT, 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return None


def environment(uri: str, port: int, artifacts: Path | None) -> dict[str, str]:
    """Return the environment of the server; it contains the database's address, which a command line would expose."""
    settings = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # MLflow's evaluation jobs are not used here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Prevents pages of other sites from reaching this server (DNS rebinding).
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
    }
    if artifacts is not None:
        settings |= {"MLFLOW_DEFAULT_ARTIFACT_ROOT": artifacts.as_uri(), "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts)}
    return {**os.environ, **settings}


if __name__ == "__main__":
    raise SystemExit(main())
