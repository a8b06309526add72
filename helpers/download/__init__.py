"""01: photos and models on disk, whole and verified."""
