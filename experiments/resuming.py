"""A sweep with a store: begin, continue, extend."""

from __future__ import annotations

import json
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thermolimit.solvers.progress import Progress
from thermolimit.solvers.saddle import Status

from .identities import (
    SweepMismatch,
    changed_code,
    difference,
    environment,
    extends,
    identity,
    sorted_like,
)
from .keys import spelled
from .locks import locked
from .plans import Plan
from .stores import Blockwise, Store, create, lay_out, open_sweep, read_identity, unfinished_stores
from .tasks import Computed, Lanes, Output, Task
from .workers import in_this_process, on_cluster


class SweepWarning(UserWarning):
    """Something about a sweep that its user should know."""


def resume(
    store: Store, plan_of: Callable[[Mapping[str, Any]], Plan], axes: Mapping[str, Any]
) -> xr.Dataset:
    """Compute what a store lacks of the sweep that is asked for, and read it."""
    asked, here = None, {}
    if not store.path.exists():
        asked = plan_of(axes)
        here = _json(identity(asked))
        create(store.path, asked, here, store.block)
    before = read_identity(store.path)  # refuses what is no store, before anything is written
    with locked(store.path / "status" / "locks", store.shard):
        saved = Blockwise(store.path)
        if asked is None or here != saved.identity:
            asked = plan_of(sorted_like(saved.identity, dict(axes)))
            here = _json(identity(asked))
        saved = _agreed(store, saved, asked, here)
        if store.shard == (0, 1):
            for unfinished in unfinished_stores(store.path):
                shutil.rmtree(unfinished)
        _note_run(store, saved, here["code"] != before["code"])
        _fill(store, saved, asked)
    data = open_sweep(store.path)
    _warn_of_errors(store, data)
    return _in_order(data, axes)


def _json(value: Any) -> Any:
    """As it will be read back."""
    return json.loads(json.dumps(value))


def _agreed(store: Store, saved: Blockwise, asked: Plan, here: dict[str, Any]) -> Blockwise:
    """The store, if it holds what is asked for or may be made to."""
    there = saved.identity
    said = difference(there, here)
    if said and not (store.extend and extends(there, here)):
        hint = "choose another path"
        if extends(there, here):
            hint = "extend it (extend=True, --extend), which keeps everything, or choose another"
        raise SweepMismatch(f"{store.path} holds another sweep: {said}; {hint}")
    changed = changed_code(there, here)
    if changed and not store.accept_code_change:
        raise SweepMismatch(
            f"{store.path} was computed with other code: {', '.join(changed)} changed; go on "
            "(accept_code_change=True, --accept-code-change) if that does not touch the numbers, "
            "or choose another path"
        )
    if changed:  # whatever was begun with the other code begins anew
        shutil.rmtree(saved.checkpoints(0).parent, ignore_errors=True)
    if said or not saved.fits(asked):
        return lay_out(saved, asked, here)
    if changed:
        saved.set_identity(here)
    return saved


def _note_run(store: Store, saved: Blockwise, code_changed: bool) -> None:
    """Record where and with what this run computes, and warn if that may change digits."""
    now, runs = environment(), saved.noted("runs")
    if runs:
        was = runs[-1]["environment"]
        changes = [f"{n} {was.get(n)} -> {now[n]}" for n in now if was.get(n) != now[n]]
        if changes:
            warnings.warn(
                f"{store.path} goes on with {', '.join(changes)}: last digits may differ",
                SweepWarning,
                stacklevel=4,
            )
    saved.note(
        "runs", began=time.time(), shard=store.shard, environment=now, code_changed=code_changed
    )


def _fill(store: Store, saved: Blockwise, asked: Plan) -> None:
    """Compute the blocks that are not done."""
    i, n = store.shard
    mine = range(i, len(saved.blocks), n)
    total = sum(prod(s.stop - s.start for s in saved.blocks.slices(block)) for block in mine)
    with Progress("sweep", total) as progress:
        jobs = _jobs(store, saved, asked, mine, progress)
        compute = partial(_compute, asked.task, asked.outputs)
        if store.client is None:
            found = in_this_process(partial(compute, progress), jobs)
        else:
            found = on_cluster(store.client, partial(compute, None), jobs)
        kept = 0
        try:
            for (block, where), computed in found:
                _keep(saved, asked, block, where, computed)
                kept += int(where.sum())
                if store.client is not None:
                    progress.advance(int(where.sum()))
        except KeyboardInterrupt:
            print(f"\n{store.path}: {progress.skipped + kept} of {total} done", file=sys.stderr)
            raise


def _jobs(
    store: Store, saved: Blockwise, asked: Plan, mine: range, progress: Progress
) -> Iterator[tuple[tuple[int, np.ndarray], Any]]:
    """((block, lanes of it), lanes), as they are needed: a large grid never lies in memory."""
    begun = saved.begun()
    for block in mine:
        where = saved.pending(block, store.redone)
        progress.skip(int((~where).sum()))
        if block in begun and not where.any():  # killed between its last write and this
            shutil.rmtree(saved.checkpoints(block))
        if where.any():
            lanes = asked.lanes(saved.blocks.slices(block)).part(where.ravel())
            yield (block, where), (lanes, saved.checkpoints(block))


def _compute(
    task: Task, outputs: Mapping[str, Output], progress: Progress | None, job: tuple[Lanes, Path]
) -> Computed:
    """One block; here or on a worker."""
    lanes, checkpoints = job
    return task.compute(outputs, lanes, progress, tolerant=True, checkpoints=checkpoints)


def _keep(
    saved: Blockwise, asked: Plan, block: int, where: np.ndarray, found: Computed | Exception
) -> None:
    """Write a block, and what went wrong in it to the journal."""
    if isinstance(found, Exception):
        found = asked.task.nothing(asked.outputs, int(where.sum()), str(found))
    saved.commit(block, where, found)
    shutil.rmtree(saved.checkpoints(block), ignore_errors=True)
    part, lanes = saved.blocks.slices(block), np.flatnonzero(where)
    for first, count, message in found.errors:
        place = asked.place(part, int(lanes[first]))
        saved.note("errors", time=time.time(), block=block, lanes=count, first=place, said=message)


def _warn_of_errors(store: Store, data: xr.Dataset) -> None:
    failed = int((data["status"] == Status.ERROR).sum())
    if failed:
        journal = store.path / "status" / "errors.jsonl"
        warnings.warn(
            f"{failed} of {data['status'].size} points failed by exceptions, see {journal}; "
            "they are computed again when the sweep is run again",
            SweepWarning,
            stacklevel=4,
        )


def _in_order(data: xr.Dataset, axes: Mapping[str, Any]) -> xr.Dataset:
    """Axes in the order in which they were asked for."""
    for name, asked in axes.items():
        if name in data.dims and not hasattr(asked, "dims"):
            place = {spelled(value): k for k, value in enumerate(data[name].values.tolist())}
            order = [place[spelled(value)] for value in np.asarray(asked).tolist()]
            if order != list(range(len(order))):
                data = data.isel({name: order})
    return data
