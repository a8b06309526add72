"""Cures of a core in OpenVINO: what NNCF quantizes, and what of it stays float."""
