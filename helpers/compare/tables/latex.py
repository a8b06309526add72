"""The tables in LaTeX, with ``booktabs`` alone."""

import textwrap
from collections.abc import Sequence

import pandas as pd

_HEADER_WIDTH = 12
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "×": r"$\times$",
    "Δ": r"$\Delta$", "…": r"\ldots{}", "²": r"$^2$", "µ": r"\textmu{}", "±": r"$\pm$", "<": r"\textless{}",
    ">": r"\textgreater{}", "–": "--", "“": "``", "”": "''",
}  # fmt: skip


def escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def split_interval(text: str) -> tuple[str, str]:
    """``61.2 [59.8, 62.7]`` -> (``61.2``, ``[59.8, 62.7]``)."""
    value, bracket, rest = text.partition(" [")
    return value, f"[{rest}" if bracket else ""


def split_below(text: str) -> tuple[str, str]:
    """What stands below a value: its interval, or what is said in round brackets."""
    value, below = split_interval(text)
    if below:
        return value, below
    value, bracket, rest = text.partition(" (")
    return value, f"({rest}" if bracket else ""


def header_lines(columns: Sequence[str]) -> list[str]:
    """Names of columns, broken into lines so that none is wider than its numbers."""
    names = [textwrap.wrap(name, _HEADER_WIDTH) for name in columns]
    height = max(map(len, names))
    rows = zip(*([*lines, *[""] * (height - len(lines))] for lines in names), strict=True)
    return [" & ".join(map(escape_latex, row)) + r" \\" for row in rows]


def latex_table(texts: pd.DataFrame, caption: str, label: str, note: str) -> str:
    """A ``booktabs`` table with caption, label and note; needs no package but ``booktabs``.

    Args:
        texts: with a column ``Model``, by which rows are grouped, and ``failed``, why a row has no cells. An
            interval stands below its value, so that a table of nine columns fits a page.
    """
    columns = [name for name in texts if name not in ("Model", "failed")]
    lines = [
        r"\begin{table*}",
        r"\centering\scriptsize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
        r"\toprule",
        *header_lines(columns),
        *(model_rows(str(model), frame, columns) for model, frame in texts.groupby("Model", sort=False)),
        r"\bottomrule",
        r"\end{tabular}",
        *(
            [r"\par\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize {escape_latex(note)}}}"]
            if note
            else []
        ),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def model_rows(model: str, frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """The rows of one model under its name; a failed variant's reason runs across its row."""
    lines = [
        r"\midrule",
        rf"\multicolumn{{{len(columns)}}}{{l}}{{\textbf{{{escape_latex(model)}}}}} \\",
    ]
    for row in frame.to_dict("records"):
        pairs = [split_below(row[name]) for name in columns]
        cells = [escape_latex(value) for value, _ in pairs]
        below = [escape_latex(bounds) for _, bounds in pairs]
        if row["failed"]:
            reason = textwrap.shorten(f"failed: {row['failed']}", 100, placeholder=" …")
            across = rf"\multicolumn{{{len(columns) - 1}}}{{l}}{{\emph{{{escape_latex(reason)}}}}}"
            cells, below = [cells[0], across], []
        lines.append(" & ".join(cells) + r" \\")
        if any(below):
            lines.append(" & ".join(below) + r" \\")
    return "\n".join(lines)
