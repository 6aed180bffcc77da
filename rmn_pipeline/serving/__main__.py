"""`python -m rmn_pipeline.serving run --settings FILE` runs the runtime; `… key` makes an API key."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rmn_pipeline.serving.keys import hash_key, new_key


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m rmn_pipeline.serving", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("key", help="make an API key: shown once; its hash goes into the settings")
    run = commands.add_parser(
        "run", help="answer requests until SIGTERM; what was accepted is answered first"
    )
    run.add_argument("--settings", type=Path, required=True, help="tenants and limits, see docs/runtime.md")
    run.add_argument("--adapters", type=Path, default=Path("adapters"), help="folder with the adapters")
    run.add_argument("--base", type=Path, help="base model; unset: the only one below <adapters>/base")
    run.add_argument("--log", type=Path, help="composition log, JSON lines")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8080)
    run.add_argument("--grace-seconds", type=int, default=60, help="how long SIGTERM waits for answers")
    options = parser.parse_args(arguments)
    if options.command == "key":
        key = new_key()
        print(f"key:        {key}\nkey_sha256: {hash_key(key)}")
        return 0
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    import uvicorn

    from rmn_pipeline.federation import Federation
    from rmn_pipeline.lora.manifest import AdapterError
    from rmn_pipeline.serving.app import create_app
    from rmn_pipeline.serving.federation_engine import FederationEngine
    from rmn_pipeline.serving.settings import ServingError, load_settings

    try:
        settings = load_settings(options.settings)
        federation = Federation.load(options.adapters, base_dir=options.base, log_path=options.log)
    except (ServingError, AdapterError) as error:
        print(f"rmn_pipeline.serving: {error}", file=sys.stderr)
        return 1
    for refused in federation.registry.refused:
        print(f"refused adapter {refused.path}: {refused.reason}", file=sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    app = create_app(settings, FederationEngine(federation, settings.limits))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        timeout_graceful_shutdown=options.grace_seconds,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
