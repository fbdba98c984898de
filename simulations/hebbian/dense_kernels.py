"""Inner loops of dense Hebbian networks, for one core.

The energy is -c sum_rows E(row, s), where E is P! times the elementary symmetric polynomial of
degree P in the N numbers y_i s_i of a row y (distinct indices), or the P-th power of their sum S
(all indices). No loop is longer than rows times spins: no coupling is ever built.

``Signs`` are rows of +-1. E is then a polynomial of S alone, and as y s is +-1 the change of E when
s is flipped is *linear* in y: with

    W(S) = (E(S + 2) - E(S - 2)) / 2,    B(S) = (2 E(S) - E(S + 2) - E(S - 2)) / 2

a flip costs c (s sum y W + sum B) for every P. An attempt is one product of a row with the weights
W, which change with accepted flips only; for pairs, P = 2, W = 4 S and B = -4, and the product is
one of whole numbers. ``Means`` are rows of other numbers. They go through the
power sums p_k = sum_i (y_i s_i)^k, less the term of the spin itself, and Newton's identities. Of
whole numbers all of these are whole numbers in float64: sums are exact in any order up to 2^53.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import overload
from numpy.polynomial import Polynomial

from thermolimit.simulations.glauber import is_flipped

BLOCK = 2048  # rows of bits that are unpacked at a time
# entry b: the eight signs of the byte b, as int8, in eight bytes
SIGNS_OF_BYTE = np.array(
    [[2 * (byte >> j & 1) - 1 for j in range(8)] for byte in range(256)], np.int8
).view(np.uint64)[:, 0]  # fmt: skip

SUMS = {"reassoc", "contract"}  # lets a sum be vectorised


class Signs(NamedTuple):
    """A network with rows of +-1."""

    rows: np.ndarray  # (N, rows) int8, or bits
    sums: np.ndarray  # S, int32
    weights: np.ndarray  # W; with bits one block of them
    balance: np.ndarray  # sum of B
    weight_terms: np.ndarray  # coefficients of W, the constant first
    balance_terms: np.ndarray
    energy_terms: np.ndarray
    scale: float  # c


class Means(NamedTuple):
    """A network with rows of other numbers."""

    rows: np.ndarray  # (N, rows) int8, int16 or float64
    powers: np.ndarray  # p_1 ... p_P, (P, rows)
    order: int  # P
    all_indices: bool
    scale: float  # c


class Rules(NamedTuple):
    """How a network is asked and changed; compiled functions."""

    cost: Callable[..., Any]  # energy of the flip of spin i
    move: Callable[..., Any]  # flip it, in the sums
    refresh: Callable[..., Any]  # what follows from the sums
    energy: Callable[..., Any]


class Run(NamedTuple):
    """Time averages of one network after the burn-in, and where it ended; arrays of any kind."""

    spins: Any  # (N,)
    energy: Any  # per spin
    acceptance: Any
    final: Any  # (N,)


def energy_polynomial(order: int, n_spins: int, all_indices: bool) -> Polynomial:
    """E as a function of the sum S of N numbers +-1, with exact integer coefficients."""
    S = Polynomial(np.array([0, 1], object))
    if all_indices:
        return S**order
    # (k + 1)! e_(k + 1) = S k! e_k - k (N - k + 1) (k - 1)! e_(k - 1)
    before, now = Polynomial(np.array([1], object)), S
    for k in range(1, order):
        before, now = now, S * now - k * (n_spins - k + 1) * before
    return now


def signs(
    rows: np.ndarray, width: int, spins: np.ndarray, order: int, all_indices: bool, scale: float
) -> tuple[Signs, Rules]:
    """The network at ``spins``, with rows of +-1 as int8 or bits (uint8)."""
    n, packed = spins.size, rows.dtype == np.uint8
    energy = energy_polynomial(order, n, all_indices)
    up = energy(Polynomial(np.array([2, 1], object)))
    down = energy(Polynomial(np.array([-2, 1], object)))
    network = Signs(
        rows=rows,
        sums=np.zeros(width, np.int32),
        weights=np.zeros(BLOCK if packed else width),
        balance=np.zeros(1),
        weight_terms=_terms((up - down) // 2, 4),
        balance_terms=_terms((2 * energy - up - down) // 2, 4),
        energy_terms=_terms(energy, 5),
        scale=scale,
    )
    rules = PACKED if packed else PAIRS if order == 2 else BYTES
    (_add_packed if packed else _add_bytes)(network, spins)
    rules.refresh(network)
    return network, rules


def _terms(polynomial: Polynomial, least: int) -> np.ndarray:
    """At least so many coefficients; up to these the loops are written out."""
    terms = [float(term) for term in polynomial.coef]
    return np.array(terms + [0.0] * (least - len(terms)))


def means(
    rows: np.ndarray, spins: np.ndarray, order: int, all_indices: bool, scale: float
) -> tuple[Means, Rules]:
    """The network at ``spins``, with rows of any numbers."""
    powers = np.zeros((order, rows.shape[1]))
    add_powers(rows, spins.astype(float), powers)
    return Means(rows, powers, order, all_indices, scale), GENERAL


@numba.njit(nogil=True, fastmath=SUMS)
def _dot(row, weights):
    total = 0.0
    for mu in range(row.size):
        total += row[mu] * weights[mu]
    return total


@numba.njit(nogil=True, fastmath=SUMS)
def _polynomial(terms, sums, out):
    """Values of a polynomial; cubic ones in one pass."""
    top = terms.size - 1
    if top == 3:
        c0, c1, c2, c3 = terms[0], terms[1], terms[2], terms[3]
        for mu in range(sums.size):
            S = float(sums[mu])
            out[mu] = ((c3 * S + c2) * S + c1) * S + c0
        return
    for mu in range(sums.size):
        out[mu] = terms[top]
    for j in range(top):
        c = terms[top - 1 - j]
        for mu in range(sums.size):
            out[mu] = out[mu] * sums[mu] + c


@numba.njit(nogil=True, fastmath=SUMS)
def _polynomial_sum(terms, sums):
    """Sum of its values."""
    total = 0.0
    if terms.size <= 5:
        c0, c1, c2, c3 = terms[0], terms[1], terms[2], terms[3]
        c4 = terms[4] if terms.size == 5 else 0.0
        for mu in range(sums.size):
            S = float(sums[mu])
            total += (((c4 * S + c3) * S + c2) * S + c1) * S + c0
        return total
    for mu in range(sums.size):
        value = terms[terms.size - 1]
        for j in range(terms.size - 1):
            value = value * sums[mu] + terms[terms.size - 2 - j]
        total += value
    return total


@numba.njit(nogil=True)
def _add(row, factor, sums):
    for mu in range(row.size):
        sums[mu] += factor * np.int32(row[mu])


@numba.njit(nogil=True)
def _add_bytes(network, spins):
    for i in range(spins.size):
        _add(network.rows[i], np.int32(spins[i]), network.sums)


@numba.njit(nogil=True)
def _cost_bytes(network, i, spin):
    return network.scale * (spin * _dot(network.rows[i], network.weights) + network.balance[0])


@numba.njit(nogil=True)
def _move_bytes(network, i, spin):
    _add(network.rows[i], np.int32(-2 * spin), network.sums)


@numba.njit(nogil=True)
def _refresh_bytes(network):
    _polynomial(network.weight_terms, network.sums, network.weights)
    network.balance[0] = _polynomial_sum(network.balance_terms, network.sums)


@numba.njit(nogil=True)
def _cost_pairs(network, i, spin):
    row, sums = network.rows[i], network.sums
    total = 0
    for mu in range(row.size):
        total += np.int32(row[mu]) * sums[mu]
    return network.scale * 4.0 * (spin * total - row.size)


@numba.njit(nogil=True)
def _refresh_nothing(network):
    pass


@numba.njit(nogil=True)
def _energy_signs(network):
    return -network.scale * _polynomial_sum(network.energy_terms, network.sums)


@numba.njit(nogil=True)
def unpack(row, out):
    """Signs of the bits of a row, eight at a time; ``out`` is a view of int8 as uint64."""
    for byte in range(row.size):
        out[byte] = SIGNS_OF_BYTE[row[byte]]


@numba.njit(nogil=True)
def _add_packed(network, spins):
    buffer = np.empty(BLOCK // 8, np.uint64)
    entries = buffer.view(np.int8)
    sums = network.sums
    for first in range(0, sums.size, BLOCK):
        part = sums[first : first + BLOCK]
        for i in range(spins.size):
            unpack(network.rows[i, first // 8 : (first + BLOCK) // 8], buffer)
            _add(entries[: part.size], np.int32(spins[i]), part)


@numba.njit(nogil=True)
def _cost_packed(network, i, spin):
    # weights of all rows would have to come from memory: it is faster to make them again
    buffer = np.empty(BLOCK // 8, np.uint64)
    entries = buffer.view(np.int8)
    sums, weights = network.sums, network.weights
    total = 0.0
    for first in range(0, sums.size, BLOCK):
        part = sums[first : first + BLOCK]
        unpack(network.rows[i, first // 8 : (first + BLOCK) // 8], buffer)
        _polynomial(network.weight_terms, part, weights)
        total += _dot(entries[: part.size], weights)
    return network.scale * (spin * total + network.balance[0])


@numba.njit(nogil=True)
def _move_packed(network, i, spin):
    buffer = np.empty(BLOCK // 8, np.uint64)
    entries = buffer.view(np.int8)
    sums = network.sums
    for first in range(0, sums.size, BLOCK):
        part = sums[first : first + BLOCK]
        unpack(network.rows[i, first // 8 : (first + BLOCK) // 8], buffer)
        _add(entries[: part.size], np.int32(-2 * spin), part)


@numba.njit(nogil=True)
def _refresh_packed(network):
    network.balance[0] = _polynomial_sum(network.balance_terms, network.sums)


@numba.njit(nogil=True, fastmath=SUMS)
def row_field(row, spin, powers, order, all_indices):
    """Sum over rows of dE / ds, with E without the repeated self: half of E(1) - E(-1).

    Parameters
    ----------
    row : ndarray of int
        Entries y at the site.
    spin : float
        s there; a magnetisation, for distinct indices.
    powers : ndarray
        Power sums, own term included.
    order, all_indices : int, bool
        P, and which energy.
    """
    p1, total = powers[0], 0.0
    if order == 2:
        for mu in range(row.size):
            y = float(row[mu])
            total += y * (p1[mu] - y * spin)
        return 2.0 * total
    if all_indices:
        return _row_field_all(row, spin, p1, order)
    p2 = powers[1]
    if order == 3:
        for mu in range(row.size):
            y = float(row[mu])
            t = y * spin
            q1 = p1[mu] - t
            total += y * (q1 * q1 - p2[mu] + t * t)
        return 3.0 * total
    p3 = powers[2]
    if order == 4:
        for mu in range(row.size):
            y = float(row[mu])
            t = y * spin
            q1, q2 = p1[mu] - t, p2[mu] - t * t
            total += y * (q1 * (q1 * q1 - 3.0 * q2) + 2.0 * (p3[mu] - t * t * t))
        return 4.0 * total
    e = np.empty(order)
    for mu in range(row.size):
        total += row[mu] * newton(powers, mu, row[mu] * spin, order - 1, e)
    return math.gamma(order + 1.0) * total


@numba.njit(nogil=True, fastmath=SUMS)
def _row_field_all(row, spin, p1, order):
    """((q + y)^P - (q - y)^P) / 2 with the sum q of the others."""
    total = 0.0
    if order == 3:
        for mu in range(row.size):
            y = float(row[mu])
            q = p1[mu] - y * spin
            total += y * (3.0 * q * q + y * y)
    elif order == 4:
        for mu in range(row.size):
            y = float(row[mu])
            q = p1[mu] - y * spin
            total += 4.0 * y * q * (q * q + y * y)
    else:
        for mu in range(row.size):
            y = float(row[mu])
            q = p1[mu] - y * spin
            total += ((q + y) ** order - (q - y) ** order) / 2.0
    return total


@numba.njit(nogil=True)
def newton(powers, mu, own, degree, e):
    """Elementary symmetric polynomial of the numbers without ``own``, from their power sums."""
    e[0] = 1.0
    for k in range(1, degree + 1):
        total, sign, power = 0.0, 1.0, 1.0
        for j in range(1, k + 1):
            power *= own
            total += sign * e[k - j] * (powers[j - 1, mu] - power)
            sign = -sign
        e[k] = total / k
    return e[degree]


@numba.njit(nogil=True)
def _cost_general(network, i, spin):
    field = row_field(
        network.rows[i], float(spin), network.powers, network.order, network.all_indices
    )
    return 2.0 * network.scale * spin * field


@numba.njit(nogil=True)
def _move_general(network, i, spin):
    row = network.rows[i]
    for k in range(0, network.order, 2):  # the even power sums do not change
        sums = network.powers[k]
        for mu in range(row.size):
            y = float(row[mu])
            sums[mu] -= 2.0 * spin * y ** (k + 1)


@numba.njit(nogil=True)
def newton_sum(powers):
    """Sum over rows of P! times the elementary symmetric polynomial of degree P."""
    order = powers.shape[0]
    total, e = 0.0, np.empty(order + 1)
    for mu in range(powers.shape[1]):
        total += newton(powers, mu, 0.0, order, e)
    return math.gamma(order + 1.0) * total


@numba.njit(nogil=True)
def _energy_general(network):
    if not network.all_indices:
        return -network.scale * newton_sum(network.powers)
    total, p1 = 0.0, network.powers[0]
    for mu in range(p1.size):
        total += p1[mu] ** network.order
    return -network.scale * total


PAIRS = Rules(_cost_pairs, _move_bytes, _refresh_nothing, _energy_signs)
BYTES = Rules(_cost_bytes, _move_bytes, _refresh_bytes, _energy_signs)
PACKED = Rules(_cost_packed, _move_packed, _refresh_packed, _energy_signs)
GENERAL = Rules(_cost_general, _move_general, _refresh_nothing, _energy_general)


@numba.njit(nogil=True)
def add_powers(rows, spins, powers):
    """Add the powers of all y_i s_i to the power sums."""
    for i in range(spins.size):
        add_powers_of(rows[i], spins[i], powers)


@numba.njit(nogil=True)
def add_powers_of(row, spin, powers):
    """The same of one site."""
    power = np.ones(row.size)
    for k in range(powers.shape[0]):
        sums = powers[k]
        for mu in range(row.size):
            power[mu] *= row[mu] * spin
            sums[mu] += power[mu]


@numba.njit(nogil=True)
def bit_overlaps(bits, spins, out):
    """Add to ``out`` (classes,) the sums over sites of the signs of ``bits`` times ``spins``."""
    buffer = np.empty(BLOCK // 8, np.uint64)
    entries = buffer.view(np.int8)
    for first in range(0, out.size, BLOCK):
        part = out[first : first + BLOCK]
        for i in range(spins.size):
            unpack(bits[i, first // 8 : (first + BLOCK) // 8], buffer)
            _add_real(entries[: part.size], spins[i], part)


@numba.njit(nogil=True)
def _add_real(row, factor, sums):
    for mu in range(row.size):
        sums[mu] += factor * row[mu]


@numba.njit(nogil=True)
def mean_fields(rows, width, spins, powers, fields):
    """Power sums of the magnetisations ``spins``, and ``row_field`` of every site.

    Parameters
    ----------
    rows : ndarray
        As in ``Disorder``.
    width : int
        How many rows.
    spins : ndarray
        Magnetisations (N,).
    powers, fields : ndarray
        Filled; shapes (P, rows) and (N,).
    """
    buffer = np.empty(-(-width // 8), np.uint64)
    powers[:] = 0.0
    for i in range(spins.size):
        add_powers_of(_row(rows, i, width, buffer), spins[i], powers)
    for i in range(spins.size):
        row = _row(rows, i, width, buffer)
        fields[i] = row_field(row, spins[i], powers, powers.shape[0], False)


def _row(rows, i, width, buffer):
    """Entries of a row that may be bits."""
    raise NotImplementedError("compiled code only")


@overload(_row)
def _row_compiled(rows, i, width, buffer):
    def of_bits(rows, i, width, buffer):
        unpack(rows[i], buffer)
        return buffer.view(np.int8)[:width]

    def of_numbers(rows, i, width, buffer):
        return rows[i]

    return of_bits if rows.dtype == numba.types.uint8 else of_numbers


# not cached on disk: Numba would not notice a change of the rule in glauber.py
@numba.njit(nogil=True, error_model="numpy")
def run_sequential(rng, network, rules, spins, temperature, sweeps, burn_in, metropolis):
    """Time averages of sweeps of N attempts at spins chosen at random; see ``Run``.

    Parameters
    ----------
    rng : Generator
        Source of the noise.
    network, rules : Signs or Means, Rules
        At ``spins``; both are changed.
    spins : ndarray of int8
        Where it starts.
    temperature : float
        T >= 0.
    sweeps, burn_in : int
        Measured sweeps, and those before them.
    metropolis : bool
        Metropolis rule instead of Glauber's.
    """
    n = spins.size
    spin_sum, energy_sum, accepted = np.zeros(n), 0.0, 0
    for step in range(burn_in + sweeps):
        for _ in range(n):
            i = int(rng.random() * n)
            cost = rules.cost(network, i, spins[i])
            if is_flipped(rng.random(), cost, temperature, metropolis):
                rules.move(network, i, spins[i])
                rules.refresh(network)
                spins[i] = -spins[i]
                accepted += step >= burn_in
        if step >= burn_in:
            spin_sum += spins
            energy_sum += rules.energy(network)
    return spin_sum / sweeps, energy_sum / (sweeps * n), accepted / (sweeps * n), spins


@numba.njit(nogil=True, error_model="numpy")
def run_parallel(rng, network, rules, spins, temperature, sweeps, burn_in):
    """The same with all spins at once, in the fields of the last configuration."""
    n = spins.size
    spin_sum, energy_sum, accepted = np.zeros(n), 0.0, 0
    costs, uniforms = np.empty(n), np.empty(n)
    for step in range(burn_in + sweeps):
        for i in range(n):  # three short loops are faster than one that does all
            costs[i] = rules.cost(network, i, spins[i])
        for i in range(n):
            uniforms[i] = rng.random()
        for i in range(n):
            if is_flipped(uniforms[i], costs[i], temperature, False):
                rules.move(network, i, spins[i])
                spins[i] = -spins[i]
                accepted += step >= burn_in
        rules.refresh(network)
        if step >= burn_in:
            spin_sum += spins
            energy_sum += rules.energy(network)
    return spin_sum / sweeps, energy_sum / (sweeps * n), accepted / (sweeps * n), spins
