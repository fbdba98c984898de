"""Dense Hebbian networks that learn classes of images, and are shown an unseen one.

Every class is an archetype, its images are the examples. P spins, one per pixel, interact by

    H = -(P! / 2 N^(P-1)) sum_rows w sum_{i_1 < ... < i_P} y_{i_1} ... y_{i_P} s_{i_1} ... s_{i_P}

with one row y per class, the mean of its M images divided by its root mean square (supervised,
w = 1), or with all images as rows (unsupervised, w = 1 / M). With all indices it is
-(N / 2) sum_rows w (sum_i y_i s_i / N)^P. The network starts at an image that it has not learned,
and answers with the class whose archetype has the largest overlap with the state it ends in; the
archetype is the sign of the mean of all images of the class that could have been learned.

Dense networks with MNIST and Fashion-MNIST: E. Agliari et al., arXiv:2212.00606. How images become
spins is ours: see ``split``.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, NamedTuple

import numpy as np
from jax import Array

from thermolimit.leaves import Interval, Label, check_word
from thermolimit.simulations.glauber import BurnIn, Sweeps, Temperature

from .dense_case import Indices
from .dense_data import Protocol
from .dense_kernels import Rules, means, run_sequential, signs
from .dense_memory import Order

CONSTANT = 0.98  # a pixel with a mean this near to +-1 tells nothing

Images = Annotated[np.ndarray, "sample", "pixel", Label("grey value")]
Labels = Annotated[np.ndarray, "sample", Label("class")]
Examples = Annotated[int, Interval(1, inf, closed=True), Label("images per class, $M$")]
Unseen = Annotated[int, Interval(1, inf, closed=True), Label("unseen images")]


class Observables(NamedTuple):
    """Means over the unseen images of one split."""

    accuracy: Annotated[Array, Label("fraction of right answers")]
    nearest_mean: Annotated[Array, Label("fraction of images nearest to the mean of their class")]
    overlap: Annotated[Array, Label("overlap with the archetype of the right class, $m$")]
    answer_overlap: Annotated[Array, Label("overlap with the archetype of the answer")]
    image_overlap: Annotated[Array, Label("overlap of an unseen image with its archetype")]
    pixels: Annotated[Array, Label("pixels that vary, $N$")]


class Split(NamedTuple):
    """Images +-1 that may be learned and that may not, int8 (samples, N), with their classes."""

    known: np.ndarray
    known_class: np.ndarray
    unseen: np.ndarray
    unseen_class: np.ndarray

    @property
    def archetypes(self) -> np.ndarray:
        """Sign of the mean of all known images of a class, int8 (classes, N); a tie is +1."""
        classes = range(self.known_class.max() + 1)
        sums = [self.known[self.known_class == c].sum(axis=0, dtype=int) for c in classes]
        return np.where(np.array(sums) >= 0, 1, -1).astype(np.int8)


def split(rng: np.random.Generator, images: np.ndarray, labels: np.ndarray, unseen: int) -> Split:
    """Set ``unseen`` images aside at random, and binarise all by what is known of the others.

    Parameters
    ----------
    rng : Generator
        Of the choice.
    images, labels : ndarray
        Grey values (samples, pixels), and a whole number for each sample.
    unseen : int
        How many.

    Returns
    -------
    Split
        A pixel is +1 above its median over the known images. Pixels whose mean over these is beyond
        0.98 are left out. Classes are counted from 0.

    Raises
    ------
    ValueError
        If a class is left without known images, or no pixel varies.
    """
    order = rng.permutation(len(images))
    _, classes = np.unique(labels, return_inverse=True)
    known, aside = order[unseen:], order[:unseen]
    if len(np.unique(classes[known])) <= classes.max():
        raise ValueError(
            f"unseen = {unseen} of {len(images)} images leave a class without any to learn"
        )
    spins = np.where(images > np.median(images[known], axis=0), 1, -1).astype(np.int8)
    varies = np.abs(spins[known].mean(axis=0)) <= CONSTANT
    if not varies.any():
        raise ValueError("no pixel varies; these are not images of several things")
    spins = spins[:, varies]
    return Split(spins[known], classes[known], spins[aside], classes[aside])


class Knowledge(NamedTuple):
    """What a network has learned."""

    rows: np.ndarray  # (N, rows), float64 (supervised) or int8
    weight: float  # w
    means: np.ndarray  # of the classes, divided by their root mean squares, (classes, N)


def learn(
    rng: np.random.Generator, data: Split, examples: int, protocol: Protocol = "supervised"
) -> Knowledge:
    """Choose so many known images of every class.

    Raises
    ------
    ValueError
        If a class has fewer.
    """
    chosen = []
    for c in range(data.known_class.max() + 1):
        members = np.flatnonzero(data.known_class == c)
        if len(members) < examples:
            raise ValueError(
                f"examples = {examples}, but class number {c} has only {len(members)} images "
                "besides the unseen ones"
            )
        chosen.append(data.known[rng.choice(members, examples, replace=False)])
    shown = np.array(chosen)  # (classes, M, N)
    average = shown.mean(axis=1)
    average /= np.sqrt(np.mean(average**2, axis=1, keepdims=True))
    if protocol == "supervised":
        return Knowledge(np.ascontiguousarray(average.T), 1.0, average)
    rows = np.ascontiguousarray(shown.reshape(-1, shown.shape[2]).T)
    return Knowledge(rows, 1 / examples, average)


def network_at(
    knowledge: Knowledge, spins: np.ndarray, interaction_order: int, indices: Indices
) -> tuple[Any, Rules]:
    """The network at ``spins``, for ``run_sequential``."""
    scale = knowledge.weight / (2.0 * float(spins.size) ** (interaction_order - 1))
    rows, kind = knowledge.rows, (interaction_order, indices == "all", scale)
    if rows.dtype == np.int8:
        return signs(rows, rows.shape[1], spins, *kind)
    return means(rows, spins, *kind)


def simulate(
    rng: np.random.Generator,
    temperature: Temperature,
    *,
    images: Images,
    labels: Labels,
    interaction_order: Order = 3,
    protocol: Protocol = "supervised",
    indices: Indices = "distinct",
    examples: Examples = 20,
    unseen: Unseen = 100,
    sweeps: Sweeps = 5,
    burn_in: BurnIn = 15,
) -> Observables:
    """One split of the images, one network, all unseen images one after the other.

    Parameters
    ----------
    rng : Generator
        Of the split, the examples and the noise.
    temperature : float
        T >= 0, in units of the energy.
    images, labels : ndarray
        Grey values (samples, pixels) and classes (samples,).
    interaction_order : int
        P >= 2.
    protocol : {"supervised", "unsupervised"}
        Whether the network knows which images belong together.
    indices : {"distinct", "all"}
        Whether products with repeated indices are left out of the energy.
    examples : int
        M, images of each class that are learned.
    unseen : int
        Images that are set aside, and shown.
    sweeps, burn_in : int
        Sweeps of N attempts at random spins, whose time average answers, and those before them.

    Returns
    -------
    Observables
        ``nearest_mean`` is the baseline without dynamics: the class whose mean of the same M images
        has the largest overlap with the unseen image, each divided by its root mean square.

    Raises
    ------
    ValueError
        For unknown words, P < 2, and classes with too few images.
    """
    check_word("protocol", protocol, Protocol)
    check_word("indices", indices, Indices)
    if interaction_order < 2:
        raise ValueError(f"interaction_order = {interaction_order} is below 2")
    data = split(rng, images, labels, unseen)
    knowledge = learn(rng, data, examples, protocol)
    ends = np.empty(data.unseen.shape)
    for end, image in zip(ends, data.unseen, strict=True):
        network, rules = network_at(knowledge, image, interaction_order, indices)
        run = (image.copy(), float(temperature), sweeps, burn_in, False)
        end[:], *_ = run_sequential(rng, network, rules, *run)
    return _observables(data, knowledge, ends)


def _observables(data: Split, knowledge: Knowledge, ends: np.ndarray) -> Observables:
    n = data.unseen.shape[1]
    each, right = np.arange(len(ends)), data.unseen_class
    archetypes = data.archetypes.T.astype(float)
    overlaps = ends @ archetypes / n
    answer = overlaps.argmax(axis=1)
    nearest = (data.unseen @ knowledge.means.T).argmax(axis=1)
    return Observables(
        accuracy=np.mean(answer == right),
        nearest_mean=np.mean(nearest == right),
        overlap=overlaps[each, right].mean(),
        answer_overlap=overlaps[each, answer].mean(),
        image_overlap=(data.unseen @ archetypes)[each, right].mean() / n,
        pixels=np.mean(n),
    )
