"""The command line: list, run, status, verify and plot the studies of this package.

Nothing heavy is imported before it is needed, so that ``--help`` and ``list`` answer at once.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

AGREES, BAD_REQUEST, POINTS_FAILED, DISAGREES, UNFINISHED = 0, 2, 3, 4, 5
INTERRUPTED, TERMINATED = 130, 143

EPILOG = """exit codes: 0 agrees, 2 bad request, or nothing can be read or written there,
3 some points failed, 4 ran but disagrees, 5 not finished, 130 interrupted, 143 terminated"""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it at wall time."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            if isinstance(sys.stdout, io.TextIOWrapper):  # a path need not be ASCII, nor a locale
                sys.stdout.reconfigure(errors="backslashreplace")
            given = _parser().parse_args(arguments)
            return given.verb(given)
        finally:
            sys.stdout.flush()  # here, where a closed pipe can still be told from a defect
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AGREES
    except (ValueError, OSError) as error:
        # a message, not a defect: these name what was asked for and what is allowed
        print(f"thermolimit: {_sentence(error)}", file=sys.stderr)
        return BAD_REQUEST
    except KeyboardInterrupt as stop:
        command = shlex.join(["thermolimit", *(sys.argv[1:] if arguments is None else arguments)])
        print(
            f"\nstopped; what a sweep has computed is kept, go on with\n{command}", file=sys.stderr
        )
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror}: {error.filename}"
    return str(error.args[0]) if error.args else str(error)


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
        ("status", _status, "how far a run is: points by status, rate, time left, agreement"),
        ("verify", _verify, "read everything back, with its checksums"),
        ("plot", _plot, "draw the figure of a finished run again"),
    ):
        verb = verbs.add_parser(name, help=summary, description=summary)
        also = "; or the store of a sweep" if name in ("status", "verify") else ""
        verb.add_argument("study", help=f"family/name, as `thermolimit list` shows it{also}")
        verb.add_argument(
            "--profile", default="quick", help="quick (default), full, or another one of the study"
        )
        verb.add_argument("--out", type=Path, help="folder; default results/STUDY")
        verb.set_defaults(verb=function)
        if name == "run":
            _add_run_options(verb)
        elif name == "verify":
            verb.add_argument(
                "--clean", action="store_true", help="remove what killed processes have left"
            )
    return parser


def _add_run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="changes",
        help="change a field of the grid; several values separated by commas",
    )  # fmt: skip
    verb.add_argument("--config", type=Path, help="TOML file with fields of the grid")
    verb.add_argument("--workers", type=int, metavar="N", help="compute sweeps in N processes")
    verb.add_argument(
        "--scheduler", metavar="ADDRESS", help="on the workers of this dask scheduler"
    )
    verb.add_argument(
        "--shard", type=_shard, default=(0, 1), metavar="I/N",
        help="only blocks I, I + N, ... of the sweeps, while other processes do the others",
    )  # fmt: skip
    verb.add_argument("--device", choices=["cpu", "gpu"], help="default: a GPU if there is one")
    verb.add_argument(
        "--extend", action="store_true", help="the grid may have grown; what is computed stays"
    )
    verb.add_argument(
        "--redo", action="append", default=[], metavar="STATUS",
        help="compute points of this status again: not_converged, not_finite",
    )  # fmt: skip
    verb.add_argument(
        "--accept-code-change", action="store_true",
        help="go on although the code has changed since the sweep was begun",
    )  # fmt: skip


def _shard(text: str) -> tuple[int, int]:
    i, _, n = text.partition("/")
    return int(i), int(n)


def _list(given: argparse.Namespace) -> int:
    from thermolimit.experiments.catalogue import studies, title

    for name, path in studies().items():
        print(f"{name}\n    {title(path)}")
    return AGREES


def _run(given: argparse.Namespace) -> int:
    _choose_device(given.device)
    study = _load(given)
    from thermolimit.experiments import Store, archive
    from thermolimit.experiments.study import configure, run, run_shard
    from thermolimit.experiments.workers import cluster

    grid = configure(study, given.profile, given.config, given.changes)
    path = _dataset(given)
    archive.check_writable(path.parent)
    with cluster(given.workers, given.scheduler) as client:
        store = Store(
            _sweeps(given), client=client, shard=given.shard, extend=given.extend,
            redo=tuple(given.redo), accept_code_change=given.accept_code_change,
        )  # fmt: skip
        if given.shard[1] > 1:
            run_shard(study, grid, store)
            return _report_sweeps(given)
        tree = run(study, grid, store)
    archive.save(tree, path)
    print(f"dataset: {path}")
    _draw(given, tree)
    return _report(study, tree)


def _choose_device(name: str | None) -> None:
    """Before jax is imported, here and in the workers."""
    if name is None:
        return
    os.environ["JAX_PLATFORMS"] = "cpu" if name == "cpu" else "cuda,cpu"
    import jax

    try:
        found = jax.default_backend()
    except RuntimeError as error:
        found = str(error).partition("\n")[0]
    if found != name:
        raise ValueError(f"device = {name!r} is not there; JAX finds: {found}")


def _status(given: argparse.Namespace) -> int:
    from thermolimit.experiments import archive

    if _is_store(given):
        return _report_sweeps(given)
    study = _load(given)
    unfinished = _report_sweeps(given)
    if unfinished == UNFINISHED or (_sweeps(given).exists() and not _dataset(given).exists()):
        return UNFINISHED
    tree = archive.load(_dataset(given))
    print(f"{tree.attrs['study']}: {tree.attrs['grid']}")
    return _report(study, tree)


def _verify(given: argparse.Namespace) -> int:
    from thermolimit.experiments import archive, inspection

    if not _is_store(given):
        _load(given)
    found = []
    for sweep in _stored_sweeps(given):
        found += [f"{sweep}/{said}" for said in inspection.damage(sweep)]
        if given.clean:
            print("".join(f"removed {stray}\n" for stray in inspection.clean(sweep)), end="")
        else:
            found += [f"{stray}: left by a killed process" for stray in inspection.strays(sweep)]
    path = _sweeps(given) if _is_store(given) else _dataset(given)
    if not _is_store(given) and (path.exists() or not _sweeps(given).exists()):
        broken = archive.damage(path) or archive.problems(archive.load(path))
        found += [f"{path}{sentence}" for sentence in broken]
    print("\n".join(found) or f"{path}: every array is readable and complete")
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


def _is_store(given: argparse.Namespace) -> bool:
    """Whether a path of a store is given instead of a study."""
    return (Path(given.study) / "zarr.json").exists()


def _sweeps(given: argparse.Namespace) -> Path:
    """The group of the sweeps that a dataset is made from."""
    return Path(given.study) if _is_store(given) else _dataset(given).with_suffix(".sweeps.zarr")


def _stored_sweeps(given: argparse.Namespace) -> list[Path]:
    """The stores there are: the path itself, or the groups in it."""
    path = _sweeps(given)
    if (path / "status").exists():
        return [path]
    found = [file.parent for file in path.glob("*/status")]
    return sorted(folder for folder in found if ".new-" not in folder.name)


def _report_sweeps(given: argparse.Namespace) -> int:
    """Print how far the sweeps are; returns the exit code."""
    from thermolimit.experiments.inspection import summary

    found = {path: summary(path) for path in _stored_sweeps(given)}
    for path, said in found.items():
        print(f"{path}: {said}")
    return UNFINISHED if any(said.missing for said in found.values()) else AGREES


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
