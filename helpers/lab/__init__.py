"""What every room stands on: files, errors, records, intervals, this machine. It imports nothing of ours."""
