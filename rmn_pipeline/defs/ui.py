"""`make ui`: Dagster's webserver and daemon and MLflow's server, stopped together with Ctrl-C.

python -m rmn_pipeline.defs.ui [--port 3000] [--mlflow-port 5000] [--host 127.0.0.1]
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rmn_pipeline.defs.project import Project, ProjectError, find_project

START_SECONDS = 120.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Service:
    """One process to start, and the address that answers once it is up (None: it serves none)."""

    name: str
    command: tuple[str, ...]
    address: str | None = None


def services(project: Project, host: str, port: int, mlflow_port: int) -> list[Service]:
    """The three processes behind `make ui`."""
    scripts = Path(sys.executable).parent
    workspace = str(project.root / "workspace.yaml")
    store = f"sqlite:///{project.lake_dir / 'mlflow.db'}"
    artifacts = (project.lake_dir / "mlartifacts").as_uri()
    return [
        Service(
            "Dagster",
            (str(scripts / "dagster-webserver"), "-w", workspace, "-h", host, "-p", str(port)),
            f"http://{host}:{port}",
        ),
        Service("Dagster daemon", (str(scripts / "dagster-daemon"), "run", "-w", workspace)),
        Service(
            "MLflow",
            (
                str(scripts / "mlflow"), "server", "--backend-store-uri", store,
                "--default-artifact-root", artifacts, "--host", host, "--port", str(mlflow_port), "--workers", "1",
            ),
            f"http://{host}:{mlflow_port}",
        ),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the services, print their addresses, stop them all when one ends or a person interrupts."""
    options = _parser().parse_args(arguments)
    try:
        project = find_project()
        for port in (options.port, options.mlflow_port):
            _require_free(options.host, port)
    except ProjectError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    project.lake_dir.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    started: list[tuple[Service, subprocess.Popen[bytes]]] = []
    try:
        for service in services(project, options.host, options.port, options.mlflow_port):
            started.append((service, _start(service, project)))
        _announce(started)
        return _wait(started)
    except KeyboardInterrupt:
        return 0
    finally:
        stop_all([process for _, process in started])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rmn_pipeline.defs.ui", description="Dagster and MLflow on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000, help="Dagster's page")
    parser.add_argument("--mlflow-port", type=int, default=5000, help="MLflow's page")
    return parser


def _interrupt(signum: int, frame: object) -> None:
    del signum, frame
    raise KeyboardInterrupt


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise ProjectError(
                f"port {port} on {host} is taken; choose another with --port or --mlflow-port."
            )


def _start(service: Service, project: Project) -> subprocess.Popen[bytes]:
    logs = project.lake_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = (logs / f"{service.name.lower().replace(' ', '_')}.log").open("ab")
    home = os.environ.get("DAGSTER_HOME", str(project.root / ".dagster_home"))
    Path(home).mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "DAGSTER_HOME": home, "RMN_PROJECT": str(project.root)}
    with log:
        return subprocess.Popen(
            service.command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=project.root
        )


def _announce(started: Sequence[tuple[Service, subprocess.Popen[bytes]]]) -> None:
    print("starting; logs are in data/lake/logs/", flush=True)
    for service, process in started:
        if service.address:
            _wait_until_up(service, process)
            print(f"  {service.name:<8} {service.address}", flush=True)
    print("Ctrl-C stops all three.", flush=True)


def _wait_until_up(service: Service, process: subprocess.Popen[bytes]) -> None:
    assert service.address is not None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            print(f"  {service.name} ended with status {process.returncode}; see its log", file=sys.stderr)
            raise KeyboardInterrupt
        try:
            urllib.request.urlopen(service.address, timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    print(f"  {service.name} does not answer at {service.address} yet; see its log", file=sys.stderr)


def _wait(started: Sequence[tuple[Service, subprocess.Popen[bytes]]]) -> int:
    while True:
        for service, process in started:
            if process.poll() is not None:
                print(
                    f"{service.name} ended with status {process.returncode}; stopping the others",
                    file=sys.stderr,
                )
                return 1
        time.sleep(1.0)


def stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the processes to end, each by its own id, and wait; kill what does not."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
