"""What the package costs, and that what is timed is right.

``python -m pytest tests/benchmarks --benchmark-enable`` times every workload;
``python -m tests.benchmarks.figures`` prints times, ratios and rates with their targets.  An
everyday run does each piece of work once.
"""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from tests.benchmarks.large_figures import LargeWorkload, WideWorkload, power_law_rows
from tests.benchmarks.measuring import exponent, new_process, seconds
from tests.benchmarks.structured_figures import StructuredWorkload
from tests.benchmarks.sweep_figures import SweepWorkload
from tests.benchmarks.workloads import (
    FIRST_NUMBER,
    KernelWorkload,
    LinearWorkload,
    Workload,
    marchenko_pastur,
)

# A cost that is linear has exponent 1, less while fixed costs count; a quadratic one has 2.
SUBQUADRATIC = 1.5


@pytest.fixture(scope="module")
def two_atoms():
    return Workload()


@pytest.mark.benchmark(group="10,000 densities")
def test_closed_form_density_has_mass_one(benchmark):
    x = np.linspace(*(1.0 + np.array([-1.0, 1.0]) * np.sqrt(0.5)) ** 2, 10_000)
    density = benchmark(marchenko_pastur, x, 0.5)
    # The trapezoidal rule errs by (spacing)^1.5 at a square-root edge.
    assert np.trapezoid(density, x) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.benchmark(group="10,000 densities")
def test_warm_density_integrates_to_the_mass_of_each_bulk(benchmark, two_atoms):
    x = two_atoms.points_on_support(10_000)
    density = benchmark(two_atoms.law.density, x)
    for bulk, mass in zip(two_atoms.law.support, two_atoms.law.masses, strict=True):
        inside = (x >= bulk[0]) & (x <= bulk[1])
        # As above; the density of the widest bulk falls over five decades, hence the constant.
        assert np.trapezoid(density[inside], x[inside]) == pytest.approx(mass, abs=1e-4)


@pytest.mark.benchmark(group="cold law")
def test_cold_law_gives_the_density_of_the_warm_one(benchmark, two_atoms):
    x = two_atoms.points_on_support(1_000)
    np.testing.assert_array_equal(benchmark(two_atoms.cold_law, x), two_atoms.law.density(x))


@pytest.mark.benchmark(group="many models")
def test_a_new_model_has_the_times_of_another(benchmark, two_atoms):
    times = benchmark(lambda: two_atoms.new_model().timescales())
    assert times.tau_mem == two_atoms.model.timescales().tau_mem


@pytest.mark.benchmark(group="many models")
def test_a_loop_over_models_gives_the_times_of_each(benchmark, two_atoms):
    psi_p = np.geomspace(30.0, 300.0, 100)
    many = benchmark(rs.timescales, psi_p, 8.0, 0.01, population=two_atoms.population)
    model = rs.RandomFeatureModel(psi_p[7], 8.0, 0.01, population=two_atoms.population)
    assert many.tau_mem[7] == model.timescales().tau_mem


@pytest.mark.benchmark(group="quantiles")
def test_quantiles_invert_the_distribution_function(benchmark, two_atoms):
    u = np.linspace(0.6, 1.0, 10_000)  # the atom ends below
    x = benchmark(two_atoms.law.quantile, u, from_origin=True)
    # Rounding of the sum over the bulks below.
    assert two_atoms.law.cdf(x, from_origin=True) == pytest.approx(u, abs=4e-16)


@pytest.mark.benchmark(group="one point")
def test_published_way_and_ours_give_the_same_traces(benchmark, two_atoms):
    z = complex(two_atoms.unrelated_points(1)[0])
    q, r, s = benchmark.pedantic(two_atoms.published.solve, (z,), rounds=3)
    ours = two_atoms.model.resolvent(z)
    # Each of its solves stops at a relative step of 1.5e-8 (the default xtol of MINPACK).
    np.testing.assert_allclose([q, r, s], [ours.q, ours.r, ours.s], rtol=1e-7)


@pytest.mark.benchmark(group="one point")
def test_public_calls_one_by_one_agree_with_one_call_for_all(benchmark, two_atoms):
    z = two_atoms.unrelated_points(200)
    together = two_atoms.model.resolvent(z)
    one_by_one = benchmark(two_atoms.resolve_one_by_one, z)
    assert np.all(np.abs(one_by_one - together.q) <= 2.0 * together.error * np.abs(together.q))


@pytest.mark.benchmark(group="one point")
def test_solver_calls_one_by_one_agree_with_one_call_for_all(benchmark, two_atoms):
    z = two_atoms.unrelated_points(200)
    together = two_atoms.model.resolvent(z)
    one_by_one = benchmark(two_atoms.solve_one_by_one, z)
    assert np.all(np.abs(one_by_one - together.k) <= 2.0 * together.error * np.abs(together.k))


@pytest.mark.benchmark(group="1,000 unrelated points")
@pytest.mark.parametrize("atoms", [2, 512, 4096])
def test_unrelated_points_all_converge(benchmark, atoms):
    work = Workload(atoms)
    z = work.unrelated_points(1_000)
    assert np.all(benchmark(work.model.resolvent, z).converged)


@pytest.mark.benchmark(group="learning curves")
def test_cold_learning_curves_end_at_the_static_loss(benchmark, two_atoms):
    tau = np.geomspace(1e-2, 1e8, 200)
    test = benchmark(two_atoms.cold_curves, tau)
    end = two_atoms.model.learning_curves([tau[-1], np.inf])
    # The slowest mode has done 25 e-folds.
    assert test[-1] == pytest.approx(float(end.test[1]), rel=1e-9)


@pytest.mark.benchmark(group="learning curves")
def test_best_stopping_of_a_new_model_has_the_least_loss(benchmark, two_atoms):
    best = benchmark(lambda: two_atoms.new_model().training().best_stopping())
    around = two_atoms.model.learning_curves(best.tau * np.geomspace(0.1, 10.0, 99))
    assert best.test <= around.test.min() * (1.0 + 1e-12)  # of the curves, where they are flat


@pytest.mark.benchmark(group="learning curves")
def test_window_of_a_new_model_opens_and_closes_at_its_share_of_the_gain(benchmark, two_atoms):
    window = benchmark(lambda: two_atoms.new_model().training().window(share=0.05))
    training = two_atoms.model.training()
    ends = training.learning_curves([0.0, window.tau_gen_loss, window.tau_mem_loss]).test
    least = training.best_stopping().test
    # Searches end within 1e-6 of the time, where the loss is as steep as its gain at most.
    assert ends[1:] == pytest.approx(least + 0.05 * (ends[0] - least), rel=1e-5)


@pytest.mark.benchmark(group="learning curves")
def test_at_the_memorisation_boundary_the_loss_gap_is_the_asked_one(benchmark, two_atoms):
    psi_n = benchmark.pedantic(two_atoms.boundary, (1e4,), rounds=3)
    model = two_atoms.model
    there = rs.RandomFeatureModel(model.psi_p, psi_n, model.t, "tanh", two_atoms.population)
    assert there.learning_curves(1e4).generalization == pytest.approx(0.1, rel=1e-6)


@pytest.mark.benchmark(group="learning curves")
@pytest.mark.parametrize("prediction", ["noise", "data", "velocity"])
def test_cold_curves_of_predictions_end_at_their_static_loss(benchmark, two_atoms, prediction):
    tau = np.geomspace(1e-2, 1e8, 200)
    test = benchmark(two_atoms.cold_predictions, tau, prediction)
    end = two_atoms.model.learning_curves(np.inf, prediction=prediction)
    assert test[-1] == pytest.approx(float(end.test), rel=1e-9)


@pytest.mark.benchmark(group="learning curves")
def test_curves_of_given_rows_fall_and_rise(benchmark):
    train, test = benchmark.pedantic(KernelWorkload().curves, rounds=3)
    assert np.all(np.diff(train) < 1e-12)
    assert test.min() < test[-1] < test[0]


@pytest.mark.benchmark(group="affine denoisers, 4096 eigenvalues")
def test_losses_on_a_grid_solve_their_equation_and_enclose_the_optimum(benchmark):
    work = LinearWorkload()
    train, test = benchmark.pedantic(work.losses, rounds=3)
    assert train.shape == test.shape == (100, 100)
    model = rs.LinearDenoiser(work.population, work.loads[:, None], c=1e-3)
    optimal, kappa = model.optimal_loss(work.alpha_bars), model.kappa(work.alpha_bars)
    assert np.all(test >= optimal)
    for i, j in ((0, 0), (0, 99), (50, 50), (99, 0), (99, 99)):
        share = np.mean(1.0 / (1.0 + kappa[i, j] / work.population.eigenvalues)) / work.loads[i]
        zeta = (1.0 - work.alpha_bars[j]) / work.alpha_bars[j] + 1e-3
        # 1 - share loses kappa/zeta of a rounding error, at most 1e3 on this grid.
        np.testing.assert_allclose(kappa[i, j] * (1.0 - share), zeta, rtol=1e3 * 1e-15)


@pytest.mark.benchmark(group="affine denoisers, 4096 eigenvalues")
def test_learning_curves_end_at_the_fitted_losses(benchmark):
    work = LinearWorkload()
    curves = benchmark.pedantic(work.curves, rounds=3)
    assert np.all(curves.converged)
    model = rs.LinearDenoiser(work.population, 0.5, c=1e-3)
    final = [curves.train[-1], curves.test[-1]]
    np.testing.assert_allclose(final, [model.train_loss(0.9), model.test_loss(0.9)], rtol=1e-10)


@pytest.mark.benchmark(group="first number of a new process")
def test_first_number_of_a_new_process(benchmark):
    benchmark.pedantic(new_process, ("-c", FIRST_NUMBER), rounds=3)


def test_cost_of_a_resolvent_grows_linearly_with_the_points(two_atoms):
    counts = (2_000, 8_000, 32_000)
    points = [two_atoms.unrelated_points(count) for count in counts]
    times = seconds(*(lambda z=z: two_atoms.model.resolvent(z) for z in points), repeats=5)
    assert exponent(counts, times) < SUBQUADRATIC


def test_cost_of_learning_curves_grows_linearly_with_the_times(two_atoms):
    counts = (2_000, 8_000, 32_000)
    grids = [np.geomspace(1e-2, 1e8, count) for count in counts]
    times = seconds(*(lambda g=g: two_atoms.cold_curves(g) for g in grids), repeats=3)
    assert exponent(counts, times) < SUBQUADRATIC


def test_cost_of_a_resolvent_grows_linearly_with_the_atoms():
    atoms = (512, 2048, 8192)
    works = [Workload(count) for count in atoms]
    points = [work.unrelated_points(100) for work in works]
    times = seconds(
        *(lambda w=w, z=z: w.model.resolvent(z) for w, z in zip(works, points, strict=True)),
        repeats=5,
    )
    assert exponent(atoms, times) < SUBQUADRATIC


@pytest.mark.benchmark(group="large spectra")
@pytest.mark.parametrize("atoms", [30_000, 100_000])
def test_large_power_laws_have_their_masses(benchmark, atoms):
    law = benchmark.pedantic(LargeWorkload(atoms).density, rounds=3)
    assert len(law.edges) > 100
    # Densities are polynomials to 1e-12 of their largest value.
    assert np.abs(law.mass_defect).max() < 1e-12


@pytest.mark.benchmark(group="large spectra")
@pytest.mark.parametrize("atoms", [30_000, 100_000])
def test_curves_of_large_power_laws_start_at_one(benchmark, atoms):
    test = benchmark.pedantic(LargeWorkload(atoms).curves, rounds=3)
    assert test[0] == pytest.approx(1.0, abs=1e-2)
    assert test.min() < test[0] < test[-1]


@pytest.mark.benchmark(group="large spectra")
def test_thousands_of_gaps_of_the_data_leave_two_bulks(benchmark):
    work = LargeWorkload(30_000, power_law=False)
    assert len(benchmark.pedantic(work.edges, rounds=1)) == 2


def test_cost_of_edges_grows_slower_than_the_eigenvalues():
    counts = (4_000, 16_000, 64_000)
    times = seconds(*(LargeWorkload(count).density for count in counts), repeats=3)
    # Bulks, and with them points, are as many as the root of the eigenvalues, and each point
    # takes their logarithm; that many sums over all would have exponent 1.5.
    assert exponent(counts, times) < 1.0


@pytest.mark.benchmark(group="held-out rows")
@pytest.mark.parametrize("dimension", [4_096, 49_152])
def test_few_held_out_rows_cost_little_in_any_dimension(benchmark, dimension):
    found = benchmark.pedantic(WideWorkload(dimension).measure, rounds=3)
    # Orthonormal to rounding of the dimension.
    assert found.certificate < dimension * np.finfo(float).eps


@pytest.mark.benchmark(group="rows to eigenvalues")
def test_eigenvalues_of_rows_are_those_of_their_covariance(benchmark):
    rows = power_law_rows(6_000, 784)
    found = benchmark.pedantic(rs.PopulationSpectrum.from_samples, (rows,), rounds=3)
    covariance = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
    # Rounding of a symmetric eigensolver, in units of the largest eigenvalue.
    assert found.eigenvalues == pytest.approx(covariance, abs=1e-13 * covariance[-1])


@pytest.mark.benchmark(group="best stopping of 4 models")
def test_a_sweep_of_stopping_has_the_best_time_of_each_model(benchmark):
    coords = {"psi_p": [2.0, 8.0], "psi_n": [1.0, 4.0], "t": 0.1}
    keys = {"workers": 1, "progress": False}
    swept = benchmark.pedantic(rs.sweep, ("stopping", coords), keys, rounds=3)
    alone = rs.RandomFeatureModel(8.0, 4.0, 0.1).training().best_stopping()
    assert float(swept.tau[1, 1]) == alone.tau


@pytest.mark.benchmark(group="100 training times")
def test_bare_loop_and_sweep_give_the_same_bits(benchmark):
    work = SweepWorkload(10)
    swept = benchmark.pedantic(work.swept, kwargs={"workers": 1}, rounds=3)
    assert swept.tobytes() == work.bare().tobytes() == work.threads().tobytes()


@pytest.mark.benchmark(group="100 training times")
def test_two_processes_give_the_same_bits(benchmark):
    work = SweepWorkload(10)
    assert benchmark.pedantic(work.stored, rounds=3).tobytes() == work.bare().tobytes()


@pytest.mark.benchmark(group="comparison")
def test_ten_matrices_of_2000_eigenvalues_are_compared_within_a_second(benchmark):
    model = rs.RandomFeatureModel(8, 4, 0.1)
    eigenvalues = np.repeat(rs.simulate(model, 250, 0), 10, axis=0)
    rs.compare(eigenvalues, model, 250)  # compiled

    def work():  # of a model that keeps nothing yet
        return rs.compare(eigenvalues, rs.RandomFeatureModel(8, 4, 0.1), 250)

    assert benchmark(work)["outside"] == 0
    # The promise; it takes 0.1 s of processor time.
    assert seconds(work, repeats=3)[0] < 1.0


@pytest.mark.benchmark(group="structured ensembles")
@pytest.mark.parametrize("counts", [(1, 2, 1), (16, 1, 5)])
@pytest.mark.parametrize("name", ["points", "law", "curves"])
def test_structured_ensembles_give_points_laws_and_curves(benchmark, counts, name):
    work = StructuredWorkload(*counts)
    found = benchmark.pedantic(getattr(work, name), rounds=1)
    if name == "law":
        assert found == pytest.approx(1.0, abs=1e-8)
    else:
        assert np.all(np.isfinite(found))
