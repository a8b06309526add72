"""A fake ``/sys`` with RAPL counters, and pyRAPL itself made to read it for the length of a test."""

from pyRAPL import device_api

from helpers.meters.powercap import PowercapTree


class FakePowercap(PowercapTree):
    def install(self, monkeypatch) -> "FakePowercap":
        """Make pyRAPL look below ``root`` wherever it would look below ``/sys``."""
        for name, stand_in in self.stand_ins().items():
            monkeypatch.setattr(device_api, name, stand_in, raising=False)
        return self
