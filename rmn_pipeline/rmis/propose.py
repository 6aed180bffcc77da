"""The command that drafts a mapping: `python -m rmn_pipeline.rmis.propose REPORT [--retailer ID] [--out FILE]`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rmn_pipeline.feeds import FeedError
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.proposals import TODO, MappingProposal, propose_mapping

__all__ = ["MappingProposal", "main", "propose_mapping", "write_text_atomically"]

_RETAILER_ID = re.compile(r"^[a-z][a-z0-9_]*$")


def _retailer_id(text: str) -> str:
    if not _RETAILER_ID.match(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no id: lower-case letters, digits and _, a letter first"
        )
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rmn_pipeline.rmis.propose",
        description="Draft a mapping.yaml for a network that nobody has mapped yet, from one of its reports.",
    )
    parser.add_argument("report", type=Path, metavar="REPORT", help="a report file as the network sent it")
    parser.add_argument(
        "--retailer", type=_retailer_id, metavar="ID", help="the retailer's id; a TODO where it is not given"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write; the screen by default")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    return parser


def write_text_atomically(path: Path, text: str) -> None:
    """Writes a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _summary(proposal: MappingProposal, text: str) -> str:
    fields = sum(target is not None for target in proposal.columns.values()) + len(proposal.keys)
    return f"{fields} of {len(proposal.columns)} columns mapped, {text.count(f'{TODO}:')} decisions left"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    out: Path | None = options.out
    if out is not None and out.exists() and not options.force:
        print(
            f"{out}: is there already; choose another --out, or say --force to overwrite it", file=sys.stderr
        )
        return 1
    try:
        proposal = propose_mapping(options.report)
        text = proposal.to_yaml(options.retailer)
        if out is None:
            sys.stdout.write(text)
        else:
            write_text_atomically(out, text)
    except (FeedError, HarmonizeError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{out}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    print(_summary(proposal, text) + ("" if out is None else f": {out}"), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
