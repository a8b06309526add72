"""What 02 adds to the quantities: what a variant takes on disk and on its way there."""

from helpers.lab.quantities import Quantity, taken

SIZE = Quantity(
    "size_bytes", "Size (MB)", "File size (MB)", 1e-6, 2, better="less", bounds="",
    table="size", summary=True, of=taken("made", lambda made: made.size_bytes),
    caption="Size of the file, or files, of the core; exact, so without interval. In brackets: ratio "
    "to float32.",
)  # fmt: skip
# An app or a firmware image carries the file compressed.
DOWNLOAD = Quantity(
    "download_bytes", "Download (MB)", "Size of the file as zipped (MB)", 1e-6, 2, better="less", bounds="",
    table="size", of=taken("made", lambda made: made.download_bytes),
    caption="Size of the core's files as zipped (deflate), which is what an app's users download; exact, so "
    "without interval. In brackets: ratio to float32.",
)  # fmt: skip
QUANTITIES = (SIZE, DOWNLOAD)
