"""Counters that are there though pyRAPL does not find them; and which it is where there are none to read."""

import pytest

from helpers.lab.errors import LabError
from helpers.meters.choose import choose_meter
from helpers.meters.powercap import POWERCAP, PowercapTree
from helpers.meters.rapl import RaplMeter

PRESENT = "sys/devices/system/cpu/present"


def smt_off(folder):
    """CPU 1 is present and offline: it has no topology, at which pyRAPL stops."""
    tree = PowercapTree(folder)
    (tree.root / PRESENT).write_text("0-1\n")
    return tree


def two_dies(folder):
    tree = PowercapTree(folder, sockets=2)
    for die in (0, 1):
        tree.write("name", f"package-0-die-{die}\n", die)
    (tree.root / "sys/devices/system/cpu/cpu1/topology/physical_package_id").write_text("0\n")
    return tree


CASES = {
    smt_off: ("package-0", "dram-0"),
    two_dies: ("package-0-die-0", "package-0-die-1", "dram-0-die-0", "dram-0-die-1"),
}


@pytest.mark.parametrize("host", CASES)
def test_counters_that_pyrapl_misses_are_read_all_the_same(tmp_path, host):
    tree = host(tmp_path)
    with tree.in_place_of_sys():
        meter = choose_meter("auto")
        assert (meter.grade, meter.domains) == ("A", CASES[host])
        assert "from Linux's files, since pyRAPL does not find them" in meter.describe()
        window = meter.open()
        tree.set(3_000_000)
        tree.set(1_000_000, domain="dram")
        found = window.close().energy_j
    assert found[CASES[host][0]].value == pytest.approx(3)
    assert found[next(name for name in CASES[host] if name.startswith("dram"))].value == pytest.approx(1)


def test_a_counter_that_wraps_is_followed_here_too(tmp_path):
    tree = smt_off(tmp_path)
    tree.set(tree.range_uj - 1_000_000)
    with tree.in_place_of_sys():
        window = RaplMeter().open()
        tree.set(2_000_000)
        assert window.close().energy_j["package-0"].value == pytest.approx(3)


def test_counters_without_the_right_to_read_them_have_another_cure_than_none(tmp_path, monkeypatch):
    tree = smt_off(tmp_path)
    counter = tree.root / tree.folder(0) / "energy_uj"
    read_text = type(counter).read_text

    def refused(path, *arguments, **options):
        if path == counter:  # root may read everything, so that no real right can be taken from it
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *arguments, **options)

    monkeypatch.setattr(type(counter), "read_text", refused)
    with tree.in_place_of_sys(), pytest.raises(LabError, match="cannot be read by this user") as caught:
        RaplMeter()
    assert "chmod a+r" in caught.value.cure


def test_a_host_without_packages_says_so(tmp_path):
    tree = smt_off(tmp_path)
    (tree.root / POWERCAP / "intel-rapl:0" / "name").write_text("psys\n")
    with tree.in_place_of_sys(), pytest.raises(LabError, match="offers no RAPL counters"):
        RaplMeter()
