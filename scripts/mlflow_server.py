"""Open MLflow's UI on the store's runs and models (``make mlflow``): this machine only, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.store import ArtifactStore
from pipeline.tracking.address import artifact_folder, public_address, tracking_uri

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> int:  # noqa: RET503 - the last call does not return
    """Become MLflow's server; return 0 where one runs elsewhere already, 1 where none can be opened."""
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
        print("There is no MLflow to open: tracking is off, or the store is no folder and MLFLOW_TRACKING_URI not set.")
        return 1
    if uri.startswith(("http://", "https://")):
        print(f"MLflow runs already: {public_address(uri)}")
        return 0
    port = usable_port(options.port)
    if port is None:
        print(f"Port {options.port} of {HOST} is taken; name another: make mlflow PORT=…", file=sys.stderr)
        return 1
    print(f"MLflow: http://{HOST}:{port} (it answers after some seconds; Ctrl-C ends it)", flush=True)
    os.execve(  # noqa: S606 - Ctrl-C then reaches MLflow itself.
        sys.executable,
        [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"],
        environment(uri, port, artifact_folder(store)),
    )


def usable_port(asked: int | None) -> int | None:
    """Return the port that was asked for, if it is free; without one the default, or any that is free."""
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
    """Return the server's environment.

    The database's address goes this way, and not onto the command line, where everybody on the machine could read a
    login in it.
    """
    settings = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # Evaluation jobs of MLflow's own, which nothing here asks for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # A page elsewhere must not reach this server under a name of its own (DNS rebinding).
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
    }
    if artifacts is not None:
        settings |= {"MLFLOW_DEFAULT_ARTIFACT_ROOT": artifacts.as_uri(), "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts)}
    return {**os.environ, **settings}


if __name__ == "__main__":
    raise SystemExit(main())
