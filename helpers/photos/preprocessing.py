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
LAYOUTS = ("NHWC", "NCHW")
# How the sides of a photo that keeps its aspect ratio are rounded where boxes go back by that ratio alone,
# the same for both sides: YOLOX rounds down, YOLOv5 and its successors to the nearest. Empty: boxes go back
# by what each side has become.
ONE_RATIO = ("", "down", "nearest")


@dataclass(frozen=True)
class Preprocessing:
    """From a photo to a core's input: resize, order the channels, ``pixel * scale + offset``, order the axes.

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
        layout: order of the input's axes, one of ``LAYOUTS``.
        one_ratio: where it is padded, one of ``ONE_RATIO``.
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
    layout: str = "NHWC"
    one_ratio: str = ""

    def __post_init__(self):
        for name, known in (
            ("resize", RESIZES), ("channels", CHANNELS), ("layout", LAYOUTS), ("one_ratio", ONE_RATIO)
        ):  # fmt: skip
            if (value := getattr(self, name)) not in known:
                choices = ", ".join(map(repr, known))
                raise LabError(f"{name}={value!r}.", f"one of: {choices}", "use one of these.")

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Of the core's input, with the batch of one."""
        if self.layout == "NCHW":
            return 1, 3, self.height, self.width
        return 1, self.height, self.width, 3

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a photo of ``height`` x ``width`` has within the input."""
        if not self.pad:
            return self.height, self.width
        if self.one_ratio:
            ratio, rounded = self.ratio(height, width), int if self.one_ratio == "down" else round
            return max(1, rounded(height * ratio)), max(1, rounded(width * ratio))
        if self.centre:
            if self.width * height < self.height * width:
                return max(1, height * self.width // width), self.width
            return self.height, max(1, width * self.height // height)
        ratio = self.ratio(height, width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def ratio(self, height: int, width: int) -> float:
        """Pixels of the input for one of a photo of ``height`` x ``width`` that keeps its aspect ratio."""
        return min(self.height / height, self.width / width)

    def place(self, height: int, width: int) -> tuple[int, int]:
        """Rows above and columns left of a photo that has ``height`` x ``width`` within the input."""
        return ((self.height - height) // 2, (self.width - width) // 2) if self.centre else (0, 0)

    def span(self, height: int, width: int) -> tuple[float, float]:
        """What the input's whole height and width are in pixels of a photo of ``height`` x ``width``."""
        if self.pad and self.one_ratio:
            ratio = self.ratio(height, width)
            return self.height / ratio, self.width / ratio
        inner_height, inner_width = self.resized(height, width)
        return height * self.height / inner_height, width * self.width / inner_width

    def margin(self, height: int, width: int) -> tuple[float, float]:
        """What is filled above and left of a photo of ``height`` x ``width``, in pixels of the photo."""
        if not self.centre:
            return 0.0, 0.0
        inner_height, inner_width = self.resized(height, width)
        if self.one_ratio:
            ratio = self.ratio(height, width)
            top, left = self.place(inner_height, inner_width)
            return top / ratio, left / ratio
        return (
            (self.height - inner_height) / 2 * height / inner_height,
            (self.width - inner_width) / 2 * width / inner_width,
        )
