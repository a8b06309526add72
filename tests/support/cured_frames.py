"""Made-up steps to a cured variant, as ``compare.cured.cured_frame`` gives them."""

from collections.abc import Collection, Sequence

import pandas as pd

from helpers.compare.cured import COLUMNS

NAMES = (
    "plain int8", "more in 8 bits", "equalization", "concatenations", "ranges", "bias correction",
    "learnt rounding", "some in float", "fine-tuning", "ranges",
)  # fmt: skip
NO_TIME = "no runtime has kernels for it"


def cured_steps(
    losses: Sequence[float],
    failed: Collection[int] = (),
    timed: bool = True,
    variant: str = "int8-cured",
    ap: float = 0.15,
) -> pd.DataFrame:
    """float32, then a step for each loss of AP to it in points.

    Args:
        failed: places of steps without an AP.
    """
    base = {
        "model": "yolo", "variant": variant, "place": 0, "cure": "float32", "step": "float32", "ap": ap,
        "photos": 400, "resamples": 4000, "failed": "", "latency_reason": "", "rounds": 12, "processes": 12,
        **with_bounds("latency_ms", 4.8, 0.1), **with_bounds("latency_ratio", 1, 0),
    }  # fmt: skip
    rows, before = [base], None
    for place, loss in enumerate(losses, 1):
        time = 3 + 0.1 * place
        row = base | {"place": place, "step": NAMES[place - 1], "told": "chosen so", "ap": ap - loss / 100}
        row |= {"ap_worst": row["ap"] - 0.001, "ap_best": row["ap"] + 0.002, "distinct_scores": 90}
        row |= with_bounds("ap_diff", -loss / 100, 0.006) | with_bounds("latency_ms", time, 0.05)
        row |= with_bounds("latency_ratio", time / 4.8, 0.01)
        row |= {} if before is None else with_bounds("step_diff", (before - loss) / 100, 0.003)
        if place in failed:
            row |= {
                "ap": float("nan"),
                "ap_diff": float("nan"),
                "step_diff": float("nan"),
                "failed": "broken",
            }
        else:
            before = loss
        rows.append(row)
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    return frame if timed else without_times(frame)


def with_bounds(name: str, value: float, reach: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - reach, f"{name}_high": value + reach}


def without_times(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(latency_ms=float("nan"), latency_ratio=float("nan"), latency_reason=NO_TIME)
