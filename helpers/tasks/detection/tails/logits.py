"""From logits to scores and back."""

import numpy as np


def sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))


def logit(score: float) -> float:
    """Inverse of ``sigmoid`` for a score in [0, 1): 0 gives minus infinity."""
    return float(np.log(score / (1 - score))) if score > 0 else -np.inf


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
