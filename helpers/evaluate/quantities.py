"""What 03 adds to the quantities, of any task: on how many photos, and how many in a second."""

from collections.abc import Sequence

from helpers.lab.intervals import NAN, Interval
from helpers.lab.quantities import Quantity, taken


def throughput_per_s(loops: Sequence[tuple[int, float]]) -> Interval | float:
    """Images per second over all shards, each as (images, seconds); bounds: the slowest and the fastest.

    The last shard is left out of the bounds where it is smaller: a few photos do not fill all cores.
    """
    images, seconds = (sum(part) for part in zip(*loops, strict=True))
    whole = [count / each for count, each in loops if count == loops[0][0]]
    ends = (min(whole), max(whole)) if len(whole) > 1 else (NAN, NAN)
    return Interval(images / seconds, *ends)


IMAGES = Quantity("images", "Images", "", 1, 0, bounds="", of=taken("scored", lambda scored: scored.images))
# The loop of 03: core and tail, one core of the runtime on each core of the processor, photos decoded before.
THROUGHPUT = Quantity(
    "throughput_images_per_s", "Throughput (images/s)", "Throughput, all cores busy (images/s)", 1, 1,
    better="more", bounds="range", table="speed", by_machine=True, reason="throughput_reason",
    of=taken("loops", throughput_per_s),
    caption="Photos per second through core and tail, a core of the runtime on each core of the processor, "
    "photos decoded before; from the loop of 03, run once and not interleaved. Whiskers: slowest and fastest "
    "64 photos. In brackets: ratio to float32.",
)  # fmt: skip
QUANTITIES = (IMAGES, THROUGHPUT)
