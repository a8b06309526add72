"""Layers of a Darknet network: what each one does and the shape that it gives."""

from dataclasses import dataclass

Shape = tuple[int, int, int]  # height, width, channels
IMAGE = -1  # number of the network's input among the layers
ACTIVATIONS = ("linear", "leaky", "relu", "mish", "swish", "logistic")


@dataclass(frozen=True)
class Layer:
    """What all layers have.

    Attributes:
        name: number, kind and place in the file, for errors.
        number: Darknet's, from 0.
        inputs: numbers of the layers that it reads; ``IMAGE`` is the network's input.
        shape: of its output.
    """

    name: str
    number: int
    inputs: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution, its batch norm or bias, and its activation.

    Attributes:
        channels: of its input.
        size: side of the kernel.
        strides: vertical, horizontal.
        padding: zeros on each of the four sides.
        groups: of channels; as many as channels make it depthwise.
        batch_normalize: whether scales, means and variances stand in the weights.
        activation: one of ``ACTIVATIONS``.
    """

    channels: int
    size: int
    strides: tuple[int, int]
    padding: int
    groups: int
    batch_normalize: bool
    activation: str

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Of the weights as stored: filters, channels of a group, height, width."""
        return self.shape[2], self.channels // self.groups, self.size, self.size


@dataclass(frozen=True)
class MaxPool(Layer):
    """A maximum over windows of ``size``; ``padding`` in all per axis, its smaller half before the map."""

    size: int
    strides: tuple[int, int]
    padding: int


@dataclass(frozen=True)
class Route(Layer):
    """Inputs behind each other along the channels; of each only part ``group`` of ``groups``."""

    groups: int
    group: int


@dataclass(frozen=True)
class Shortcut(Layer):
    """The sum of its inputs, then ``activation``."""

    activation: str


@dataclass(frozen=True)
class AvgPool(Layer):
    """The mean of each channel over the whole map."""


@dataclass(frozen=True)
class Multiply(Layer):
    """The product of its inputs (the first may be one number per channel), then ``activation``."""

    activation: str


@dataclass(frozen=True)
class Upsample(Layer):
    """Each value ``factor`` x ``factor`` times."""

    factor: int


@dataclass(frozen=True)
class Dropout(Layer):
    """Nothing, outside training."""


@dataclass(frozen=True)
class Yolo(Layer):
    """The raw output of one scale, per anchor: tx, ty, tw, th, objectness, logits of the classes.

    Attributes:
        anchors: (width, height) in pixels of the input, those of the mask alone, in its order.
        classes: how many.
        scale_x_y: how far a centre's sigmoid is stretched beyond its cell (Bochkovskiy et al. 2020).
        new_coords: whether the sigmoids stand before the layer, and a side is (2 sigmoid(t))^2 times its
            anchor's instead of exp(t) times (Wang et al. 2021, Scaled-YOLOv4).
    """

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float
    new_coords: bool = False


@dataclass(frozen=True)
class Architecture:
    """A network.

    Attributes:
        file: name of the ``.cfg``.
        image: shape of the input.
        layers: in order; a layer stands at its number.
        letter_box: whether photos keep their shape, centred on grey, instead of being stretched.
    """

    file: str
    image: Shape
    layers: tuple[Layer, ...]
    letter_box: bool = False

    @property
    def yolos(self) -> tuple[Yolo, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Yolo))

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Convolution))

    def users(self, number: int) -> list[Layer]:
        """The layers that read layer ``number``."""
        return [layer for layer in self.layers if number in layer.inputs]

    def can_be_split(self, yolo: Yolo) -> bool:
        """Whether before a ``[yolo]`` stands a convolution that nothing else reads, and that has no
        activation but the sigmoids that ``new_coords`` leaves to it.
        """
        before = self.layers[yolo.inputs[0]]
        return (
            isinstance(before, Convolution)
            and before.activation == ("logistic" if yolo.new_coords else "linear")
            and before.groups == 1
            and self.users(before.number) == [yolo]
        )
