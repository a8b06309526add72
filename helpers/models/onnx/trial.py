"""Whether a cut core and its tail answer as the whole graph does, tried on a few inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from helpers.models.onnx.library import answers, session
from helpers.models.onnx.network import Network

TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3  # of boxes far larger than the input
FARTHEST = 50.0  # inputs, from which on a box is as good as endless: exponentials differ out there
Heads = Mapping[str, np.ndarray]


def trial_images(network: Network, scale: float, offset: float = 0.0) -> list[np.ndarray]:
    """Inputs of which the heads give all sorts of values: noise, coarse noise, and grey; float32.

    Args:
        scale, offset: from pixels 0..255 to the input's values.
    """
    generator, (height, width) = np.random.default_rng(0), network.size
    noise = generator.uniform(0, 255, (3, height, width))
    coarse = np.kron(generator.uniform(0, 255, (3, -(-height // 16), -(-width // 16))), np.ones((1, 16, 16)))
    grey = np.full_like(noise, 114.0)
    images = [image[None] * scale + offset for image in (noise, coarse[:, :height, :width], grey)]
    turned = images if network.layout == "NCHW" else [image.transpose(0, 2, 3, 1) for image in images]
    return [np.ascontiguousarray(image, np.float32) for image in turned]


def all_answers(model: Any, images: list[np.ndarray], network: Network) -> list[dict[str, np.ndarray]]:
    """What a graph answers to each of the images."""
    running = session(model, network.path)
    return [answers(running, image, network.path) for image in images]


def agrees(whole_tail: Any, whole: list[Heads], tail: Any, core: list[Heads]) -> bool:
    """Whether both give the same boxes and scores for all candidates of all images, before suppression."""
    return all(
        alike(whole_tail.candidates(theirs), tail.candidates(ours))
        for theirs, ours in zip(whole, core, strict=True)
    )


def alike(theirs: tuple[np.ndarray, np.ndarray], ours: tuple[np.ndarray, np.ndarray]) -> bool:
    (boxes, scores), (our_boxes, our_scores) = theirs, ours
    if boxes.shape != our_boxes.shape or scores.shape != our_scores.shape:
        return False
    ends = (np.clip(each, -FARTHEST, FARTHEST) for each in (boxes, our_boxes))
    return np.allclose(*ends, RELATIVE_TOLERANCE, TOLERANCE) and np.allclose(scores, our_scores, 0, TOLERANCE)
