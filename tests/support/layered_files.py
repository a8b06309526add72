"""Files whose layers can be compared."""

import dataclasses

from helpers.quantize.layers.layer_error import LayerError
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.runtimes.kinds_of_operators import DEPTHWISE
from tests.support.made_alone import ALONE


def make_variants(base, photos):
    files = {name: base.with_name(f"{name}.tflite") for name in ALONE}
    for name, file in files.items():
        quantize_file(base, ALONE[name], photos, file)
    return files


def layer(**changes) -> LayerError:
    plain = LayerError(
        name="block", tensor="net/block/Conv2D", place=3, depth=0.5, operator="DEPTHWISE_CONV_2D",
        kind=DEPTHWISE, shape=(1, 8, 8, 16), weights_dtype="int8", computes="int8", sqnr_db=20.0,
        sqnr_low_db=18.0, sqnr_high_db=22.0, own_sqnr_db=21.0, drop_db=9.0, error_per_std=0.1,
        weights_sqnr_db=45.0, input_sqnr_db=40.0, grid_sqnr_db=22.0, clipped=0.0, stored_range=(-4.0, 4.0),
        seen_range=(-3.9, 3.8), step_per_std=0.05, levels_used=0.9, coarse_channels=0.0, half_channels=8,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)
