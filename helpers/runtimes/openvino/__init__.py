"""OpenVINO: running and reading its representation, an ``.xml`` with its ``.bin``; nothing else is read."""
