"""Power of the processor by name, and CO2 by country, from the tables that codecarbon brings."""

import subprocess
import sys

import pytest

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.lab.paths import ROOT
from helpers.meters import choose, codecarbon_data, cpu_power
from helpers.meters.carbon import gco2e_per_image
from helpers.meters.choose import choose_meter
from helpers.meters.codecarbon_data import as_watts, cpu_powers, energy_mixes, table_file
from helpers.meters.cpu_power import PowerRange, cores_per_processor, host_range, known_range, rated_power_w
from helpers.meters.estimate import POWER_W

XEON = "Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz"


@pytest.fixture
def bare_metal(monkeypatch, tmp_path):
    """A Linux host of 16 cores per socket, no virtual machine."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\ncpu cores\t: 16\n")
    monkeypatch.setattr(cpu_power.host, "CPUINFO", cpuinfo)
    monkeypatch.setattr(cpu_power.host, "hypervisor", lambda: "no")
    monkeypatch.setattr(cpu_power, "EFFICIENCY_CORES", tmp_path / "none")


def test_the_tables_hold_what_is_read_from_them():
    assert len(cpu_powers()) > 4000
    assert all(0 < watts < 1000 for watts in cpu_powers().values())
    assert len(energy_mixes()) > 200
    assert all({"country_name", "year", "carbon_intensity"} <= set(mix) for mix in energy_mixes().values())


def test_reading_the_tables_does_not_import_the_package():
    code = "import sys; from helpers.meters.codecarbon_data import *; cpu_powers(); energy_mixes()"
    check = f"{code}; sys.exit('codecarbon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        (XEON, 150),
        ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 65),
        ("AMD Ryzen 5 5600X 6-Core Processor", 65),
        ("AMD EPYC 7763 64-Core Processor", 280),
        ("AMD Ryzen 7 5800H with Radeon Graphics", 45),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", 28),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 145),
    ],
)
def test_processors_are_found_as_systems_name_them(name, watts):
    assert rated_power_w(name) == watts


@pytest.mark.parametrize("name", ["Intel(R) Xeon(R) Processor", "Intel(R) Xeon(R) CPU @ 2.20GHz", "6226", ""])
def test_name_that_is_no_processors_is_not_guessed(name):
    assert "does not know" in rated_power_w(name).reason


def test_range_is_the_share_of_a_core_times_the_factors(bare_metal):
    found = known_range(XEON)
    assert found.power_w == (4.69, 37.5)
    for part in ("150 W / 16", "0.5 to 4", "assumed", "codecarbon 3."):
        assert part in found.source


def test_cores_come_from_the_name_where_it_tells_them(monkeypatch):
    monkeypatch.setattr(cpu_power.host, "hypervisor", lambda: "QEMU")
    assert cores_per_processor("AMD EPYC 7763 64-Core Processor") == 64
    assert "virtual machine" in cores_per_processor(XEON).reason
    assert "two kinds" in cores_per_processor("Apple M1").reason


def test_cores_of_two_kinds_are_refused(bare_metal, monkeypatch, tmp_path):
    monkeypatch.setattr(cpu_power, "EFFICIENCY_CORES", tmp_path)
    assert "two kinds" in known_range(XEON).reason


def test_unknown_processor_gets_the_stated_range_and_the_reason(monkeypatch):
    monkeypatch.setattr(cpu_power.host, "cpu", lambda: ("Some CPU", frozenset()))
    found = host_range()
    assert found.power_w == POWER_W
    assert "does not know the processor 'Some CPU'" in found.source


def test_estimate_takes_the_processors_range_unless_one_is_stated(monkeypatch):
    monkeypatch.setattr(choose, "host_range", lambda: PowerRange((3.0, 9.0), "from a table"))
    assert choose_meter("estimate").power_w == (3.0, 9.0)
    assert "The range: from a table." in choose_meter("estimate").describe()
    assert choose_meter("estimate", (1, 2)).power_w == (1, 2)
    assert "from a table" not in choose_meter("estimate", (1, 2)).describe()


def test_numbers_that_are_none_are_left_out():
    assert (as_watts("27.29.5"), as_watts("-1"), as_watts("65")) == (0, 0, 65)


def test_missing_package_or_table_is_a_reason(monkeypatch):
    monkeypatch.setattr(codecarbon_data, "PACKAGE", "no-such-package-here")
    with pytest.raises(LabError, match="is not installed"):
        table_file(codecarbon_data.CPU_POWER)
    monkeypatch.undo()
    with pytest.raises(LabError, match="does not exist"):
        table_file("codecarbon/data/gone.csv")


def test_range_survives_a_missing_package(monkeypatch):
    def gone():
        raise LabError("the package codecarbon is not installed.")

    monkeypatch.setattr(cpu_power, "cpu_powers", gone)
    assert known_range(XEON) == Absent("the package codecarbon is not installed")


def test_co2_is_energy_times_the_countrys_mean():
    footprint = gco2e_per_image(Interval(3.6, 1.8, 7.2), "CHE")
    intensity = energy_mixes()["CHE"]["carbon_intensity"]
    found = footprint.gco2e
    assert (found.value, found.low, found.high) == pytest.approx(
        (1e-6 * intensity, 0.5e-6 * intensity, 2e-6 * intensity)
    )
    for part in ("Switzerland", str(footprint.year), "gCO2e per kWh", "codecarbon 3.", "not in the interval"):
        assert part in footprint.source


def test_unknown_region_is_refused_with_the_nearest():
    with pytest.raises(LabError, match="Did you mean 'CHE'"):
        gco2e_per_image(Interval(1, 1, 1), "che")
    with pytest.raises(LabError, match="'CAF', whose grid is not in the table"):
        gco2e_per_image(Interval(1, 1, 1), "CAF")


@pytest.mark.parametrize(
    ("region", "meant"),
    [
        ("Schweiz", ""),
        ("switzerland", "'CHE' (Switzerland)"),
        ("Germny", "'DEU' (Germany)"),
        ("CH", "'CHE' ("),
    ],
)
def test_a_country_is_suggested_by_its_name_or_not_at_all(region, meant):
    with pytest.raises(LabError) as caught:
        gco2e_per_image(Interval(1.0, 1.0, 1.0), region)
    assert meant in caught.value.found
    assert ("Did you mean" in caught.value.found) == bool(meant)
