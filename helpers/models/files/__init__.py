"""Models' files: where they come from, fetched, verified and unpacked."""
