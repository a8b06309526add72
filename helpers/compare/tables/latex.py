"""The tables in LaTeX, with ``booktabs`` alone."""

import textwrap
from collections.abc import Sequence

import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "×": r"$\times$",
    "Δ": r"$\Delta$", "…": r"\ldots{}", "²": r"$^2$", "µ": r"\textmu{}", "±": r"$\pm$", "<": r"\textless{}",
    ">": r"\textgreater{}", "–": "--", "“": "``", "”": "''",
}  # fmt: skip


def escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def latex_table(texts: pd.DataFrame, columns: Sequence[str], caption: str, label: str, note: str) -> str:
    """A ``booktabs`` table with caption, label and note; needs no package but ``booktabs``.

    Args:
        texts: with a column ``Model``, by which rows are grouped, and ``failed``, why a row has no cells.
        columns: those to print, of the texts.
    """
    lines = [
        r"\begin{table*}",
        r"\centering\small",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
        r"\toprule",
        " & ".join(escape_latex(name) for name in columns) + r" \\",
        *(model_rows(str(model), frame, columns) for model, frame in texts.groupby("Model", sort=False)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        rf"\parbox{{\linewidth}}{{\footnotesize {escape_latex(note)}}}",
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
        cells = [escape_latex(row[name]) for name in columns]
        if row["failed"]:
            reason = textwrap.shorten(f"failed: {row['failed']}", 100, placeholder=" …")
            across = rf"\multicolumn{{{len(columns) - 1}}}{{l}}{{\emph{{{escape_latex(reason)}}}}}"
            cells = [cells[0], across]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join(lines)
