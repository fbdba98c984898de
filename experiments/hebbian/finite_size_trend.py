"""Dense networks against their limit: overlap, simulation minus theory, over 1 / N.

Nine networks: patterns that are stored, or archetypes learned from M examples of quality r,
supervised or not, with P = 2, 3, 4 spins that interact; each at one load and temperature well
within its retrieval region. Runs start at an archetype. E. Agliari et al., arXiv:2212.00606 and
arXiv:2211.14067. Deviations of order 1 / N are fitted; only networks that end with the archetype
are in the means, and their fraction is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, Tolerance, fields, inverse_size_fit, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.solvers import Status
from thermolimit.solvers.failures import mark
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric


class Point(NamedTuple):
    """Where a network is compared."""

    pattern_load: float
    temperature: float
    quality: float = 1.0
    examples: int = 1


NETWORKS = {
    "storage": {2: Point(0.05, 0.3), 3: Point(0.1, 0.5), 4: Point(0.1, 0.5)},
    "supervised": {
        2: Point(0.04, 0.3, 0.6, 20), 3: Point(0.05, 0.4, 0.6, 20), 4: Point(0.05, 0.4, 0.7, 20),
    },
    "unsupervised": {
        2: Point(0.03, 0.3, 0.7, 10), 3: Point(0.03, 0.4, 0.8, 10), 4: Point(0.03, 0.4, 0.85, 8),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """What is computed: all networks, at sizes that their number of classes allows."""

    pairs: tuple[int, ...] = (500, 1000, 2000)  # N at P = 2
    triples: tuple[int, ...] = (100, 200, 300)
    quadruples: tuple[int, ...] = (64, 90, 128)
    sweeps: int = 100
    burn_in: int = 100
    replicas: int = 12
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("pairs", "triples", "quadruples"):
            if len(getattr(self, name)) < 3:
                raise ValueError(
                    f"{name} = {getattr(self, name)} are too few sizes to fit a line; give three"
                )

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """All pairs of P and N."""
        orders = {2: self.pairs, 3: self.triples, 4: self.quadruples}
        return [(P, N) for P, sizes in orders.items() for N in sizes]


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        pairs=(1000, 2000, 4000, 8000),
        triples=(100, 200, 400, 800),
        quadruples=(64, 128, 192, 384),
        sweeps=200,
        replicas=40,
    ),
}
# The bias is of order 1 / N away from the spinodal: N spins have fewer than N^P / P! products of P.
TOLERANCE = Tolerance(
    standard_errors=4,
    bias={"overlap": 1.0, "class_overlap": 1.0, "self_overlap": 1.0},
    size="n_spins",
)


def predict(grid: Grid) -> xr.Dataset:
    """The retrieval state of every network."""
    rows = [
        xr.concat([_state(name, P) for P in points], "interaction_order")
        for name, points in NETWORKS.items()
    ]
    return xr.concat(rows, "network")


def _state(name: str, P: int) -> xr.Dataset:
    point = NETWORKS[name][P]
    law = "storage" if name == "storage" else "binomial"
    model = Model(P, _protocol(name), law, most_examples=point.examples)
    theory = ReplicaSymmetric(model)
    data = solvers.saddle_points(theory, start="retrieval", **point._asdict())
    kept = data[["overlap", "class_overlap", "self_overlap", "status"]].reset_coords(drop=True)
    return kept.assign_coords(network=name, interaction_order=P)


def _protocol(name: str) -> Literal["supervised", "unsupervised"]:
    return "unsupervised" if name == "unsupervised" else "supervised"


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Monte Carlo from an archetype, over independent archetypes and examples."""
    orders, sizes = (list(column) for column in zip(*grid.sizes, strict=True))
    names = list(NETWORKS)

    def of(field: str) -> Any:
        values = [[getattr(NETWORKS[name][P], field) for P in orders] for name in names]
        return xr.DataArray(values, {"network": names}, ["network", "pair"])

    data = sweep(
        network.simulate,
        store=store,
        **fields(grid, "seed replicas sweeps burn_in"),
        protocol=xr.DataArray([_protocol(name) for name in names], {"network": names}, ["network"]),
        interaction_order=xr.DataArray(orders, dims="pair"),
        n_spins=xr.DataArray(sizes, dims="pair"),
        **{field: of(field) for field in Point._fields},
    )
    return _kept(data)


def _kept(data: xr.Dataset) -> xr.Dataset:
    """Over P and N instead of pairs of them; networks that lost their archetype are not compared.

    ``retrieval_fraction`` says how many have kept it.
    """
    table = data.drop_vars([*Point._fields, "protocol"])
    table = table.set_index(pair=["interaction_order", "n_spins"]).unstack(
        "pair", fill_value={"status": int(Status.MISSING)}
    )
    table = table.assign(
        retrieval_fraction=table["retrieved"]
        .mean("replica")
        .assign_attrs(long_name="fraction of networks that keep their archetype", units="1")
    )
    return mark(table, table["retrieved"] < 1, Status.MISSING)


def trend(comparison: xr.Dataset) -> xr.Dataset:
    """Straight lines in 1 / N, of every network at the sizes of its P."""
    fits = [
        inverse_size_fit(one.dropna("n_spins", subset=["overlap_error"], how="all"), "overlap")
        for _, one in comparison.groupby("interaction_order")
    ]
    return xr.concat(fits, "interaction_order")
