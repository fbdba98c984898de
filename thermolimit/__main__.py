"""The command line: list, run, status, verify and plot the studies of this package.

Nothing heavy is imported before it is needed, so that ``--help`` and ``list`` answer at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

AGREES, BAD_REQUEST, POINTS_FAILED, DISAGREES = 0, 2, 3, 4
INTERRUPTED, TERMINATED = 130, 143

EPILOG = """exit codes: 0 agrees, 2 bad request, 3 some points failed, 4 ran but disagrees,
130 interrupted, 143 terminated"""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it at wall time."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            given = _parser().parse_args(arguments)
            return given.verb(given)
        finally:
            sys.stdout.flush()  # here, where a closed pipe can still be told from a defect
    except (ValueError, FileNotFoundError) as error:
        # a message, not a defect: these name what was asked for and what is allowed
        print(f"thermolimit: {error.args[0] if error.args else error}", file=sys.stderr)
        return BAD_REQUEST
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AGREES
    except KeyboardInterrupt as stop:
        print("\nstopped; nothing was written, the same command starts again", file=sys.stderr)
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(*_: Any) -> None:
    raise Terminated


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thermolimit",
        description=(__doc__ or "").partition("\n")[0],  # no docstrings under python -OO
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("list", help="the studies, each with one line on what it compares")
    verb.set_defaults(verb=_list)
    for name, function, summary in (
        ("run", _run, "compute a study, draw its figure, report how far it agrees"),
        ("status", _status, "what a finished run holds: points by status, and the agreement"),
        ("verify", _verify, "read a dataset back, with its checksums"),
        ("plot", _plot, "draw the figure of a finished run again"),
    ):
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.add_argument("study", help="family/name, as `thermolimit list` shows it")
        verb.add_argument("--profile", default="quick", help="quick (default) or full")
        verb.add_argument("--out", type=Path, help="folder; default results/STUDY")
        verb.set_defaults(verb=function)
        if name == "run":
            verb.add_argument(
                "--set", action="append", default=[], metavar="FIELD=VALUE", dest="changes",
                help="change a field of the grid; several values separated by commas",
            )  # fmt: skip
            verb.add_argument("--config", type=Path, help="TOML file with fields of the grid")
    return parser


def _list(given: argparse.Namespace) -> int:
    from thermolimit.experiments.catalogue import studies, title

    for name, path in studies().items():
        print(f"{name}\n    {title(path)}")
    return AGREES


def _run(given: argparse.Namespace) -> int:
    study = _load(given)
    from thermolimit.experiments import archive
    from thermolimit.experiments.study import configure, run

    grid = configure(study, given.profile, given.config, given.changes)
    path = _dataset(given)
    archive.check_writable(path.parent)
    tree = run(study, grid)
    archive.save(tree, path)
    print(f"dataset: {path}")
    _draw(given, tree)
    return _report(study, tree)


def _status(given: argparse.Namespace) -> int:
    from thermolimit.experiments import archive

    study = _load(given)
    tree = archive.load(_dataset(given))
    print(f"{tree.attrs['study']}: {tree.attrs['grid']}")
    return _report(study, tree)


def _verify(given: argparse.Namespace) -> int:
    from thermolimit.experiments import archive

    _load(given)
    path = _dataset(given)
    found = archive.damage(path) or archive.problems(archive.load(path))
    told = "\n".join(f"{path}{sentence}" for sentence in found)
    print(told or f"{path}: every array is readable and complete")
    return POINTS_FAILED if found else AGREES


def _plot(given: argparse.Namespace) -> int:
    from thermolimit.experiments import archive

    _load(given)
    archive.check_writable(_dataset(given).parent)
    _draw(given, archive.load(_dataset(given)))
    return AGREES


def _load(given: argparse.Namespace) -> ModuleType:
    from thermolimit.experiments.catalogue import load

    return load(given.study)


def _dataset(given: argparse.Namespace) -> Path:
    return (given.out or Path("results") / given.study) / f"{given.profile}.zarr"


def _draw(given: argparse.Namespace, tree: xr.DataTree) -> None:
    from thermolimit import figures

    for file in figures.save(given.study, tree, _dataset(given).with_suffix("")):
        print(f"figure:  {file}")


def _report(study: ModuleType, tree: xr.DataTree) -> int:
    """Print the agreement and the failures; returns the exit code."""
    from thermolimit.experiments.comparison import agreement, agrees, table
    from thermolimit.experiments.study import failures

    code = AGREES
    if "comparison" in tree.children:
        rows = agreement(tree["comparison"].to_dataset(), study.TOLERANCE)
        print(f"\n{table(rows)}\n")
        code = AGREES if agrees(rows) else DISAGREES
        print("theory and simulation agree" if agrees(rows) else "theory and simulation DISAGREE")
    failed: dict[str, Any] = failures(tree)
    for group, counts in failed.items():
        print(f"{group}: {counts}")
    return POINTS_FAILED if failed else code


if __name__ == "__main__":
    sys.exit(main())
