"""Energy meters, one file each, behind one interface (``base.Meter``)."""
