"""Where a detector's time goes: decode, resize, core, tail and store, timed apart."""
