"""Does measuring work on this machine? Known differences, and none, measured as variants are."""
