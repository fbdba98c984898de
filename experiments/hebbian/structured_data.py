"""Dense networks that learn images: right answers to unseen images against the images learned.

Images of a file, or the digits of scikit-learn, are learned class by class; a network of pixels
starts at an unseen image, and answers with the class of the archetype that it comes nearest to. The
baseline has no dynamics: the class whose mean of the same images is nearest to the unseen one. No
theory is compared: real images are correlated. Dense networks with images: E. Agliari et al.,
arXiv:2212.00606 (supervised), arXiv:2211.14067 (unsupervised).
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from thermolimit.experiments import Store, fields, load_dataset, sweep
from thermolimit.simulations.hebbian import structured


@dataclass(frozen=True)
class Grid:
    """What is computed."""

    data: str = "digits"  # or the path of a file, see ``load_dataset``
    most_images: int = 10_000  # of a larger file, the first
    protocol: tuple[str, ...] = ("supervised", "unsupervised")
    interaction_order: tuple[int, ...] = (2, 3, 4, 6)
    examples: tuple[int, ...] = (1, 5, 20, 80)
    temperature: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    indices: str = "distinct"
    unseen: int = 50
    sweeps: int = 5
    burn_in: int = 15
    replicas: int = 8
    seed: int = 1


PROFILES = {
    "quick": Grid(),
    "full": Grid(
        examples=(1, 2, 5, 10, 20, 40, 80),
        temperature=(0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6),
        unseen=200,
        replicas=32,
    ),
}


def measure(grid: Grid, store: Store | None = None) -> xr.Dataset:
    """Fractions of right answers and overlaps, over independent splits of the images."""
    images = load_dataset(grid.data).isel(sample=slice(grid.most_images))
    data = sweep(
        structured.simulate,
        store=store,
        **fields(
            grid,
            "seed replicas protocol interaction_order examples temperature "
            "indices unseen sweeps burn_in",
        ),
        images=images["image"].values,
        labels=images["label"].values,
    )
    return data.drop_vars(["images", "labels"]).assign_attrs(source=images.attrs["source"])
