"""Loss of SGD by the contour: public numbers, the Volterra equation, other contours, limits."""

import numpy as np
import pytest
import xarray as xr
from numpy.polynomial import polynomial
from scipy.integrate import quad

from thermolimit import solvers
from thermolimit.theory.scaling import contour, pieces, random_features, resolvent, spectra

SMALL = {"dimension": 500, "n_features": 2000}
LATE = np.geomspace(1, 1e12, 60)


def named(steps):
    return xr.DataArray(steps, dims="step")


def test_public_numbers():
    data = solvers.evaluate(
        random_features.loss, alpha=0.7, beta=0.7, step_size=0.2, step=[1, 100, 10000], **SMALL
    )
    expected = [0.964604264072461, 0.015340730738843431, 0.001709432006917192]
    np.testing.assert_allclose(data["loss"], expected, rtol=1e-13)
    assert data["residual"] < 1e-13


@pytest.mark.parametrize("dimension", [20, 800, 10**6])
@pytest.mark.parametrize("alpha", [0.2, 0.4, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("label_noise", [0.0, 0.3])
def test_at_step_0_the_loss_is_the_power_of_target_and_noise(dimension, alpha, batch, label_noise):
    spectrum = spectra.power_law(alpha, 0.6, 4 * dimension)
    gamma = 0.6 * resolvent.largest_step_size(spectrum, dimension, batch)
    found = contour.loss_curve(spectrum, dimension, gamma, batch, [0.0], label_noise).loss
    assert found[0] == pytest.approx(spectrum.powers.sum() + label_noise, rel=1e-13)


def circle(spectrum, d, gamma, batch, steps):
    """F and K by the trapezoidal rule on a circle around the spectrum and 0, with m by `roots`.

    Only for a few different eigenvalues: the equation of m is then a polynomial in w = z / m.
    """
    fold = 1 / (gamma * (batch + 1))
    angle = 2 * np.pi * (np.arange(1200) + 0.5) / 1200
    direction = np.exp(1j * angle)
    z = fold + 1.04 * fold * direction
    lam, weights = spectrum.eigenvalues, spectrum.weights

    def w_of(z):
        # w prod(lam - w) - w sum_j weight lam / d prod_others - z prod(lam - w) = 0
        every = polynomial.polyfromroots(lam) * (-1) ** len(lam)
        others = sum(
            weight * top / d * polynomial.polyfromroots(np.delete(lam, i)) * (-1) ** (len(lam) - 1)
            for i, (weight, top) in enumerate(zip(weights, lam, strict=True))
        )
        equation = polynomial.polysub(np.r_[0, polynomial.polysub(every, others)], z * every)
        roots = polynomial.polyroots(equation)
        # the resolvents are those of a positive measure; one root has w and z on the same side
        return roots[np.argmax(roots.imag * np.sign(z.imag))]

    w = np.array([w_of(point) for point in z])
    m = z / w
    S = np.sum(spectrum.powers / (lam * m[:, None] - z[:, None]), axis=1)
    q = 1 - 2 * gamma * batch * z + gamma**2 * batch * (batch + 1) * z**2
    dz = 1.04 * fold * direction / len(z)  # over 2 pi i
    powers = q ** np.asarray(steps)[:, None]
    trace = d * z * (1 - m)  # z^2 Tr R but for its entire part
    return -(powers @ (S * dz)).real, -(gamma**2) * batch * (powers @ (trace * dz)).real


@pytest.mark.parametrize(("batch", "gamma"), [(1, 0.2), (4, 0.1)])
def test_the_contour_solves_the_volterra_equation_with_other_tables(batch, gamma):
    d = 6
    lam, b, count = np.array([1.0, 0.5, 0.2]), np.array([1.0, -1.2, 2.0]), [2, 3, 7]
    spectrum = spectra.Spectrum(lam, b, np.array(count, float))
    steps = np.arange(60)
    F, K = circle(spectrum, d, gamma, batch, steps)
    forcing, kernel = contour.forcing_and_kernel(spectrum, d, gamma, batch, steps)
    np.testing.assert_allclose(forcing, F, rtol=1e-12)
    # |q| > 1 on parts of the circle: its rounding grows like 1.07^r
    np.testing.assert_allclose(kernel, K, rtol=1e-12, atol=1e-13 * K[0])
    volterra = solvers.solve_volterra(named(F), named(K), method="direct")["solution"]
    repeated = spectra.given(np.repeat(lam, count), np.repeat(b, count))
    found = contour.loss_curve(repeated, d, gamma, batch, steps).loss
    np.testing.assert_allclose(found, volterra, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.4, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("batch", [1, 4, 32])
@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
def test_the_contour_solves_the_volterra_equation_of_its_own_tables(alpha, batch, fraction):
    spectrum = spectra.power_law(alpha, 0.8, 400)
    gamma = fraction * resolvent.largest_step_size(spectrum, 100, batch)
    steps = np.arange(300)
    F, K = contour.forcing_and_kernel(spectrum, 100, gamma, batch, steps)
    volterra = solvers.solve_volterra(named(F), named(K), method="direct")["solution"]
    found = contour.loss_curve(spectrum, 100, gamma, batch, steps).loss
    np.testing.assert_allclose(found, volterra, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.5])
@pytest.mark.parametrize("batch", [1, 4, 32])
@pytest.mark.parametrize("fraction", [0.05, 0.9])
@pytest.mark.parametrize("ratio", [1.02, 4.0])
def test_any_contour_gives_the_same_loss(alpha, batch, fraction, ratio):
    spectrum = spectra.power_law(alpha, 0.7, int(ratio * 500))
    gamma = fraction * resolvent.largest_step_size(spectrum, 500, batch)
    losses = [
        contour.loss_curve(spectrum, 500, gamma, batch, LATE, contour=path).loss
        for path in (
            contour.CONTOUR,
            contour.Contour(start=0.03, width=1.3, nodes=24),
            contour.Contour(start=0.2, angle=0.4, width=1.5),
        )
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-11)
    np.testing.assert_allclose(losses[2], losses[0], rtol=2e-11)


@pytest.mark.parametrize("alpha", [0.7, 1.5])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_measured_spectrum_gives_the_loss_of_the_power_law_it_is(alpha, batch):
    common = {"step_size": 0.1, "batch": batch, "label_noise": 0.01}
    steps = np.unique(LATE.astype(int))
    j = np.arange(1.0, 401)
    law = {"alpha": alpha, "beta": 0.6, "n_features": 400}
    measured = {"eigenvalues": j ** (-2 * alpha), "target": -(j**-0.6)}
    for formula, same in (
        (random_features.loss, random_features.loss_of_spectrum),
        (random_features.limits, random_features.limits_of_spectrum),
    ):
        when = {"step": steps} if formula is random_features.loss else {}
        first = solvers.evaluate(formula, **law, **common, **when, dimension=100)
        second = solvers.evaluate(same, **measured, **common, **when, dimension=100)
        for name in set(first) - {"residual", "status"}:
            np.testing.assert_allclose(second[name], first[name], rtol=1e-13)


@pytest.mark.parametrize("label_noise", [0.0, 0.1])
def test_late_the_loss_is_the_limit_loss(label_noise):
    point = {"alpha": 0.7, "beta": 0.7, "step_size": 0.2, "label_noise": label_noise, **SMALL}
    limit = solvers.evaluate(random_features.limits, **point)
    late = solvers.evaluate(random_features.loss, **point, step=[10**16])
    expected = limit["irreducible_loss"] / (1 - limit["kernel_norm"])
    assert float(late["loss"][0]) == pytest.approx(float(expected), rel=1e-13)
    assert float(limit["limit_loss"]) == pytest.approx(float(expected), rel=1e-14)


def test_noise_in_the_labels_adds_its_own_loss():
    """The loss is linear in the powers of target and noise, and the noise alone starts at s^2."""
    spectrum = spectra.power_law(0.7, 0.7, 2000)
    silent = spectrum._replace(target=np.zeros_like(spectrum.target))
    args = (500, 0.2, 2, LATE)
    both = contour.loss_curve(spectrum, *args, 0.3).loss
    apart = contour.loss_curve(spectrum, *args).loss + contour.loss_curve(silent, *args, 0.3).loss
    np.testing.assert_allclose(both, apart, rtol=1e-12)


def test_the_kernel_sums_to_its_norm_and_begins_with_the_second_moment():
    spectrum, d, gamma = spectra.power_law(0.7, 0.7, 80), 20, 0.2
    F, K = contour.forcing_and_kernel(spectrum, d, gamma, 3, np.arange(6000))
    assert K.sum() == pytest.approx(resolvent.kernel_norm(spectrum, d, gamma, 3), rel=1e-12)
    lam = np.arange(1.0, 81) ** -1.4
    # E Tr (W^T D W)^2 = sum lam^2 + (sum lam)^2 / d, but for the part 1 / d of the first sum
    moment = np.sum(lam**2) + np.sum(lam) ** 2 / d
    assert K[0] == pytest.approx(gamma**2 * 3 * moment, rel=1e-12)
    assert F[0] == pytest.approx(np.sum(lam**2), rel=1e-13)
    F_0 = resolvent.irreducible_loss(spectrum, d)
    assert F[-1] == pytest.approx(F_0, rel=1e-12)


@pytest.mark.slow
def test_the_average_over_random_features_approaches_the_equivalent():
    """Mean over W of the exact loss: the bias at d = 200 is at most a few percent."""
    rng = np.random.default_rng(0)
    v, d, gamma, draws = 800, 200, 0.2, 100
    lam = np.arange(1.0, v + 1) ** -1.4
    steps = np.array([1, 10, 100, 1000, 10_000, 100_000])
    found = []
    for _ in range(draws):
        W = rng.standard_normal((v, d)) / np.sqrt(d)
        U, root, _ = np.linalg.svd(np.sqrt(lam)[:, None] * W, full_matrices=False)
        eigenvalues, along = root**2, U.T @ lam  # D^(1/2) b = lam for beta = alpha
        rest = np.sum((lam - U @ along) ** 2)
        # s / lam = h obeys h' = M h + gamma^2 rest lam, M symmetric (batch 1)
        q = 1 - 2 * gamma * eigenvalues + 2 * gamma**2 * eigenvalues**2
        e, V = np.linalg.eigh(np.diag(q) + gamma**2 * np.outer(eigenvalues, eigenvalues))
        h, push = V.T @ (along**2 / eigenvalues), V.T @ (gamma**2 * rest * eigenvalues)
        powers = e ** steps[:, None]
        found.append(rest + (powers * h + (1 - powers) / (1 - e) * push) @ (V.T @ eigenvalues))
    mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(draws)
    expected = contour.loss_curve(spectra.power_law(0.7, 0.7, v), d, gamma, 1, steps).loss
    assert (np.abs(mean - expected) < 3 * error + 0.04 * expected).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"alpha": 0.2, "beta": 0.2}, r"alpha \+ beta = 0.4 must be above 1/2"),
        ({"n_features": 500}, "dimension = 500 must be .* below the number of features, 500"),
        ({"step_size": 0.6}, r"step_size = 0.6 is not stable; allowed is \(0, 0.487547\)"),
        ({"batch": 16, "step_size": 0.2}, "step_size = 0.2 is not stable"),
        ({"step": [-1, 3]}, r"step = -1 is outside \[0, inf\)"),
        ({"step": [0.5]}, "step = 0.5 is not a whole number"),
        ({"label_noise": -1.0}, "label_noise = -1 is outside"),
    ],
)
def test_bad_input_is_told(change, told):
    point = {"alpha": 0.7, "beta": 0.7, "step_size": 0.2, "step": [0, 1], **SMALL}
    with pytest.raises(ValueError, match=told):
        solvers.evaluate(random_features.loss, **point | change)


def test_a_negative_step_is_told_by_the_plain_call():
    with pytest.raises(ValueError, match="step = -2 is negative"):
        contour.loss_curve(spectra.power_law(0.7, 0.7, 2000), 500, 0.2, 1, [1.0, -2.0])


def test_limits_of_an_unstable_step_size_are_infinite():
    data = solvers.evaluate(
        random_features.limits, alpha=0.7, beta=0.7, step_size=[0.2, 0.5, 5.0], **SMALL
    )
    assert list(np.isfinite(data["limit_loss"].values)) == [True, False, False]
    assert list((data["kernel_norm"] < 1).values) == [True, False, False]


def test_the_usual_step_size_shrinks_with_the_trace():
    data = solvers.evaluate(random_features.step_size, alpha=[0.3, 1.0], n_features=10**5)
    trace = [np.sum(np.arange(1.0, 10**5 + 1) ** (-2 * alpha)) for alpha in (0.3, 1.0)]
    np.testing.assert_allclose(data["step_size"], 0.5 / np.array(trace), rtol=1e-13)


# Ratios of the exact curves to the pieces for 100 <= r and B gamma r <= 0.1 d^(2 alpha) at
# d = 20 000: forcing, kernel, level (specified: levels within 20 percent for alpha >= 0.7,
# within 30 next to beta = 1/2)
BANDS = {
    (0.75, 0.25): (0.3, 0.2, 0.3),
    (0.7, 1.2): (0.2, 0.2, 0.2),
    (1.0, 0.75): (0.2, 0.2, 0.2),
    (1.0, 2.0): (0.2, 0.2, 0.2),
    (0.7, 0.55): (0.3, 0.2, 0.3),
}


@pytest.mark.parametrize(("alpha", "beta"), BANDS)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_pieces_are_within_their_bands_of_the_exact_curves(alpha, beta, batch):
    d, v = 20_000, 80_000
    spectrum = spectra.power_law(alpha, beta, v)
    gamma = 0.5 / spectrum.trace
    last = 0.1 * d ** (2 * alpha) / (gamma * batch)
    steps = np.unique(np.geomspace(100, last, 40).astype(int))
    found = pieces.pieces(alpha, beta, gamma, batch, dimension=d, n_features=v, step=steps)
    F, K = contour.forcing_and_kernel(spectrum, d, gamma, batch, steps)
    P = contour.loss_curve(spectrum, d, gamma, batch, steps).loss
    forcing = found.forcing_pure_point + found.forcing_continuous + found.irreducible_loss
    for exact, piece, band in zip(
        (F, K, P), (forcing, found.kernel_pure_point, found.level), BANDS[alpha, beta], strict=True
    ):
        ratio = exact / piece
        assert (ratio.min() > 1 - band) & (ratio.max() < 1 + band), (ratio.min(), ratio.max())


@pytest.mark.parametrize("alpha", [0.2, 0.25, 0.4, 0.7])
def test_the_pieces_are_the_integrals_they_are_said_to_be(alpha):
    beta, gamma, batch, d = 0.8, 0.02, 3, 50
    steps = np.array([0, 3, 1000])
    found = pieces.pieces(alpha, beta, gamma, batch, dimension=d, n_features=200, step=steps)
    cut = d ** (-2 * alpha)
    c_beta = np.sum(np.arange(1.0, 201) ** (-2 * beta)) if alpha > 0.5 else 0.0
    expected = [
        (found.forcing_pure_point, 1 / (2 * alpha), (2 * beta - 1) / (2 * alpha), 0),
        (found.forcing_continuous, c_beta / (2 * alpha * d), -1 / (2 * alpha), cut),
        (
            found.kernel_pure_point,
            gamma**2 * batch / (2 * alpha),
            1 - 1 / (2 * alpha),
            cut if alpha <= 0.25 else 0,
        ),
    ]
    for curve, factor, power, lower in expected:
        for r, value in zip(steps, curve, strict=True):

            def integrand(u, power=power, r=r):
                return u**power * np.exp(-2 * gamma * batch * r * u)

            points = np.r_[lower, np.geomspace(max(lower, 1e-12), 1, 30)]
            whole = sum(
                quad(integrand, *ends, epsabs=0)[0]
                for ends in zip(points[:-1], points[1:], strict=True)
                if ends[1] > ends[0]
            )
            assert value == pytest.approx(factor * whole, rel=1e-6)


def test_at_late_steps_the_integrals_are_pure_powers():
    from math import gamma as Gamma

    alpha, beta, gamma = 0.8, 1.1, 0.1
    r = np.array([10_000_000])
    found = pieces.pieces(alpha, beta, gamma, dimension=10**6, n_features=4 * 10**6, step=r)
    s = 2 * gamma * r[0]
    F_pp = Gamma(beta / alpha - 1 / (2 * alpha) + 1) * s ** (-1 - beta / alpha + 1 / (2 * alpha))
    K_pp = gamma**2 * Gamma(2 - 1 / (2 * alpha)) * s ** (-2 + 1 / (2 * alpha))
    assert found.forcing_pure_point[0] == pytest.approx(F_pp / (2 * alpha), rel=1e-12)
    assert found.kernel_pure_point[0] == pytest.approx(K_pp / (2 * alpha), rel=1e-12)
