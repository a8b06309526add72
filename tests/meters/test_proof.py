"""The RAPL meter against counters of a known wattage."""

import pytest

from helpers.meters.proof import measure_known_power


def test_known_power_is_measured_within_a_percent_wraps_included():
    proof = measure_known_power()
    assert proof.wraps >= 8
    assert proof.relative_error < 0.01
    assert proof.within_bounds
    assert proof.true_j == pytest.approx(2 * (95 + 7) * 40 * 1.00037)


@pytest.mark.parametrize("package_w", [0.5, 15.0, 400.0])
@pytest.mark.parametrize("dram_w", [None, 3.0])
def test_one_socket_with_and_without_dram(package_w, dram_w):
    proof = measure_known_power(package_w, dram_w, sockets=1, windows=10)
    assert proof.relative_error < 0.01
    assert proof.within_bounds


def test_counter_that_could_wrap_twice_in_a_window_proves_nothing():
    with pytest.raises(ValueError, match="wrapped twice"):
        measure_known_power(windows=1, range_uj=10**8)


def test_pyrapl_is_left_as_it_was():
    from pyRAPL import device_api

    before = dict(vars(device_api))
    measure_known_power(windows=1)
    assert vars(device_api) == before
