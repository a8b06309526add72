"""The embedded detector's weights on disk: kernels in float16, to keep the repository small."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import tf_keras as keras

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_file
from helpers.models.embedded.architecture import build_network

CURE = "restore the file (`git checkout -- data/embedded`) or train again (`python -m helpers train`)."


def save_network(network: keras.Model, path: Path) -> None:
    """Kernels as float16; vectors (biases, batch norm) as float32, whose range they need."""
    arrays = [w.astype(np.float16) if w.ndim > 1 else w for w in network.get_weights()]
    names = [variable.name for variable in network.weights]
    with atomic_file(path) as temporary:
        np.savez_compressed(
            temporary, **{f"{i:03d} {n}": a for i, (n, a) in enumerate(zip(names, arrays, strict=True))}
        )


def load_network(path: Path) -> keras.Model:
    """The network with trained weights.

    Raises:
        LabError: the file is absent, damaged, or made for another architecture.
    """
    try:
        with np.load(path) as stored:
            arrays = [stored[name].astype(np.float32) for name in sorted(stored.files)]
        network = build_network()
        network.set_weights(arrays)
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise LabError(f"{path} does not hold this network's weights: {error}", "", CURE) from error
    return network
