"""One look for every figure: fonts, sizes, colour and marker by variant, saving."""

import functools
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_file
from helpers.run.forms import ALL, EDGES, FORMS, IN_LADDER, TRAINED
from helpers.run.variants import Variant, baseline_of, is_control, runtime_named
from helpers.runtimes.catalogue import get_runtime
from helpers.show.context import Context, known

# Drawn at 13.7 cm; reduced to a column of 8 cm, 10 pt still prints as 6 pt.
WIDTH_IN = 5.4
PNG_DPI = 200
INK, FAINT, GRID, SHADE = "#222222", "#6b6b6b", "#e2e2e2", "#e9e9e9"
SMALL_PT = 9

RC = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.labelsize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "x",
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "text.color": INK,
        # A reason or a host name may hold a dollar sign.
        "text.parse_math": False,
        "xtick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.color": FAINT,
        "ytick.labelcolor": INK,
        "xtick.labelsize": SMALL_PT,
        "ytick.labelsize": 10,
        "legend.frameon": False,
        "legend.fontsize": SMALL_PT,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.hashsalt": "quantization-lab",
        "savefig.facecolor": "white",
        "figure.facecolor": "white",
    }
)

# For variants that are not in the registry: the rest of Okabe and Ito's palette.
_SPARE_COLOURS = ("#009E73", "#CC79A7", "#56B4E9")
_SPARE_MARKERS = ("v", "P", "X", "p", "h", "<", ">")
# For simulated forms; one and the same with ``EDGES`` share a colour, of Paul Tol's muted palette, which is
# colour-blind safe too.
_CODED_COLOURS = ("#332288", "#44AA99", "#CC6677", "#88CCEE", "#117733", "#AA4499", "#BBAA44", "#777777")
_CODED_MARKERS = ("o", "s", "^", "D", "v", "P")
_EDGED_MARKERS = ("X", "*", "<", "d", ">", "h")


@dataclass(frozen=True)
class Look:
    """How a variant is drawn everywhere."""

    colour: str
    marker: str
    hollow: bool = False

    def marker_style(self, size_pt: float = 8.5) -> dict[str, Any]:
        """Keywords for ``Axes.plot``; a hollow marker is larger, to stay visible around a filled one."""
        return {
            "marker": self.marker,
            "markersize": size_pt * (1.35 if self.hollow else 1),
            "markerfacecolor": "none" if self.hollow else self.colour,
            "markeredgecolor": self.colour if self.hollow else "white",
            "markeredgewidth": 1.4 if self.hollow else 0.7,
            "linestyle": "none",
        }


def look_of(variant_id: str) -> Look:
    """Colour and marker of a variant: the colour is the form's, in every runtime; a control is its baseline,
    hollow."""
    if is_control(variant_id):
        return replace(look_of(baseline_of(variant_id)), hollow=True)
    if runtime_named(variant_id):
        return Look(look_of_form(variant_id).colour, get_runtime(runtime_named(variant_id)).marker)
    return look_of_form(variant_id)


def look_of_form(variant_id: str) -> Look:
    if variant_id in ALL and ALL[variant_id].colour:
        return Look(ALL[variant_id].colour, ALL[variant_id].marker)
    if variant_id in ALL:
        return coded_look(ALL[variant_id])
    digest = hashlib.sha256(variant_id.encode()).digest()
    return Look(
        _SPARE_COLOURS[digest[0] % len(_SPARE_COLOURS)], _SPARE_MARKERS[digest[1] % len(_SPARE_MARKERS)]
    )


def coded_look(form: Variant) -> Look:
    """Of a simulated form, by its place among them: those of the ladder first, which all differ."""
    coded = [each.id for each in FORMS.values() if not each.colour]
    coded.sort(key=lambda name: name not in IN_LADDER and name not in TRAINED)
    place = coded.index(form.id.removesuffix(EDGES))
    markers = _EDGED_MARKERS if form.keep_first_last else _CODED_MARKERS
    colours = len(_CODED_COLOURS)
    return Look(_CODED_COLOURS[place % colours], markers[place // colours % len(markers)])


def styled(function: Callable) -> Callable:
    """Run ``function`` under this style, whatever style the caller has set; leave the caller's alone."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with matplotlib.style.context(["default", dict(RC)]):
            return function(*args, **kwargs)

    return wrapper


class LabFigure(Figure):
    """A figure that notebooks show without pyplot, and that knows its caption and how to read it."""

    caption: str = ""
    how_to_read: str = ""

    def _ipython_display_(self) -> None:
        """The picture, and below it its caption and how to read it."""
        from IPython.display import Image as Picture
        from IPython.display import Markdown, display

        png, size = self._repr_png_()
        display(Picture(png, **size))
        if self.caption:
            display(Markdown(f"*{self.caption}*"))
        if self.how_to_read:
            display(Markdown(f"**How to read it.** {self.how_to_read}"))

    @styled
    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=PNG_DPI)
        return buffer.getvalue(), {"width": round(self.get_figwidth() * 120)}


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> LabFigure:
    """An empty figure with a canvas that can measure text; call it inside a ``styled`` function."""
    figure = LabFigure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06, hspace=0.04, wspace=0.04)
    FigureCanvasAgg(figure)
    return figure


def creation_time(context: Context) -> datetime:
    """Time that a figure's files carry: the run's own, so that the same input gives the same bytes."""
    text = context.created_utc or "1970-01-01T00:00:00+00:00"
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        raise LabError(
            f"created_utc is {text!r}.",
            "an ISO 8601 time such as 2026-01-31T12:00:00+00:00",
            "run 05_compare.ipynb again, which writes it.",
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def figure_metadata(name: str, context: Context, caption: str = "") -> dict[str, str]:
    """What ties a file to its run, and its caption."""
    run, commit = known(context, "run"), known(context, "commit")
    about = {"Title": name, "Author": "quantization-lab", "Subject": f"run {run}, commit {commit}"}
    return about | ({"Description": caption} if caption else {})


def caption_of(png: Path) -> str:
    """The caption that a saved figure carries; empty if it has none."""
    return str(Image.open(png).info.get("Description", ""))


@styled
def save_figure(figure: Figure, folder: Path, name: str, context: Context) -> list[Path]:
    """Write ``<folder>/<name>.png`` (200 dpi) and ``.pdf`` (fonts embedded); return the two paths.

    Both carry the run, the commit and the caption in their metadata. Equal input gives equal bytes.
    """
    metadata, moment = figure_metadata(name, context), creation_time(context)
    caption = getattr(figure, "caption", "")
    png, pdf = Path(folder) / f"{name}.png", Path(folder) / f"{name}.pdf"
    with atomic_file(png) as temporary:
        about = {**figure_metadata(name, context, caption), "Software": None}
        about |= {"Creation Time": moment.isoformat()}
        figure.savefig(temporary, format="png", dpi=PNG_DPI, metadata=about)
    with atomic_file(pdf) as temporary:
        about = {**metadata, "Keywords": caption, "CreationDate": moment}
        figure.savefig(temporary, format="pdf", metadata=about)
    return [png, pdf]
