"""Ranges of activations, against those of the quantizer's own calibrator, told to take the extremes."""

import numpy as np
import pytest
from ai_edge_quantizer import calibrator, quantizer, recipe_manager

from helpers.quantize.dead_channels import revive
from helpers.quantize.recipes.edge_quantizer import chatter_dropped, recipe_applied
from helpers.quantize.recipes.integers import RECIPES
from tests.support.faulty_networks import NETWORKS, faulty, images
from tests.support.mixed_layers import SHAPE, float_bytes

CALIBRATED = ("int8", "int8-per-tensor", "int16x8")


def widest(known: dict, new: dict) -> dict:
    if not known:
        return new
    return {"min": np.minimum(known["min"], new["min"]), "max": np.maximum(known["max"], new["max"])}


def by_their_calibrator(content: bytes, steps: list[dict], photos: list[np.ndarray]) -> bytes:
    content = revive(content)
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(steps)
    with chatter_dropped():
        worker = calibrator.Calibrator(content, qsv_update_func=widest)
        worker.calibrate({"serving_default": [{"image": photo} for photo in photos]}, manager)
        found = quantizer.Quantizer(content, steps).quantize(
            worker.get_model_qsvs(), enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(found.quantized_model)


@pytest.mark.parametrize("form", CALIBRATED)
@pytest.mark.parametrize("network", ["mixed layers", *NETWORKS])
def test_the_file_is_that_of_the_quantizers_own_calibrator(network, form):
    content = float_bytes() if network == "mixed layers" else faulty(network)
    photos = images(4, shape=SHAPE) if network == "mixed layers" else images(4)
    steps = RECIPES[form].steps()
    assert recipe_applied(content, steps, photos) == by_their_calibrator(content, steps, photos)
