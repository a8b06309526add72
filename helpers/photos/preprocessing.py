"""What is done to a photo before it enters a core, as data: written with the core, applied by ``photos``."""

from dataclasses import dataclass

from helpers.lab.errors import LabError

# How a photo is brought to the core's size. All are bilinear without antialiasing.
RESIZES = (
    "half-pixel",  # on floats, centres of pixels at half coordinates: TensorFlow 2, cv2.resize
    "half-pixel-rounded",  # the same, rounded to whole pixel values: what OpenCV does to a uint8 photo
    "corner",  # on floats, corners of the grids laid on each other: TensorFlow 1's default
    "aligned",  # on floats, centres of the corner pixels laid on each other: align_corners=True
)
CHANNELS = ("RGB", "BGR")


@dataclass(frozen=True)
class Preprocessing:
    """From a photo to a core's input: resize, order the channels, ``pixel * scale + offset``.

    Attributes:
        height, width: of the core's input, in pixels.
        scale, offset: per channel of the input, for pixels 0..255.
        resize: one of ``RESIZES``.
        channels: order of the input's channels, one of ``CHANNELS``; photos are RGB.
        pad: whether the photo keeps its aspect ratio, at the top left, and the rest is filled; else it is
            stretched.
        centre: where it is padded, whether the photo lies in the middle, its sides rounded down: Darknet's
            ``letterbox_image``.
        fill: the rest's pixel values, 0..255, in the order of the input's channels.
    """

    height: int
    width: int
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    resize: str = "half-pixel"
    channels: str = "RGB"
    pad: bool = False
    fill: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre: bool = False

    def __post_init__(self):
        for name, value, known in (("resize", self.resize, RESIZES), ("channels", self.channels, CHANNELS)):
            if value not in known:
                raise LabError(f"{name}={value!r}.", f"one of: {', '.join(known)}", "use one of these.")

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a photo of ``height`` x ``width`` has within the input."""
        if not self.pad:
            return self.height, self.width
        if self.centre:
            if self.width * height < self.height * width:
                return max(1, height * self.width // width), self.width
            return self.height, max(1, width * self.height // height)
        ratio = min(self.height / height, self.width / width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def span(self, height: int, width: int) -> tuple[float, float]:
        """What the input's whole height and width are in pixels of a photo of ``height`` x ``width``."""
        inner_height, inner_width = self.resized(height, width)
        return height * self.height / inner_height, width * self.width / inner_width

    def margin(self, height: int, width: int) -> tuple[float, float]:
        """What is filled above and left of a photo of ``height`` x ``width``, in pixels of the photo."""
        if not self.centre:
            return 0.0, 0.0
        inner_height, inner_width = self.resized(height, width)
        return (
            (self.height - inner_height) / 2 * height / inner_height,
            (self.width - inner_width) / 2 * width / inner_width,
        )
