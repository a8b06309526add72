"""The report: whole in one file, honest in its words, nothing silent."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.compare import present
from helpers.compare.figures.catalogue import FIGURES, draw
from helpers.compare.report import page as report
from helpers.compare.verdict import SMALL_RUN
from helpers.lab.errors import LabError
from helpers.run.variants import VARIANTS
from helpers.show.context import UNKNOWN
from helpers.show.style import save_figure
from tests.support.example_results import (
    CONTEXT,
    MODEL,
    REASON,
    example_frames,
    example_losses,
    example_results,
    fail,
    without_energy,
)

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Checker(HTMLParser):
    """Collects what a page refers to and its text, and checks that elements close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.sources, self.ids, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parse(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def figures_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "figures"
    results = example_results()
    for name in ("pareto", "ap_difference", "ap_loss", "size"):
        save_figure(draw(name, results, example_frames(results), CONTEXT), folder, name, CONTEXT)
    return folder


@pytest.fixture(scope="module")
def html(figures_folder):
    return report.render_report(
        example_results(),
        report.registry_figures(figures_folder),
        CONTEXT,
        losses=example_losses(example_results()),
        pictures=[("Photos on which int8 lost most", figures_folder / "size.png", "Picked as the worst.")],
        sections=[report.Section("What the publisher states", ["AP 0.61 on its own images."])],
        provenance={"versions": {"numpy": "2.4"}, "sha256": {"int8.tflite": "ab" * 32}},
        files=[("results.csv", "every number")],
        beside=figures_folder.parent,
    )


def test_the_page_needs_nothing_outside(html, figures_folder):
    page = parse(html)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    shown = [base64.b64decode(source.split(",")[1]) for source in page.sources]
    names = ("ap_difference", "ap_loss", "size", "pareto", "size")
    assert shown == [(figures_folder / f"{name}.png").read_bytes() for name in names]
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(|<script|<link", html)
    assert all(link.startswith("#") or not link.startswith("/") for link in page.links)
    assert {"results.csv", "figures/pareto.pdf", "figures/size.pdf"} <= set(page.links)
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)


def test_the_page_says_what_was_found_measured_and_left_open(html):
    text = " ".join(" ".join(parse(html).text).split())
    for part in (
        "1.69× faster", "AP falls by 2.00 points", "no difference shown", "How to read it.",
        "0.001 or less", "What this does not say", "None: every variant was built", "Example CPU (2 cores)",
        "2026-01-31 12:00 UTC", "0123456789abcdef", "versions / numpy", "ab" * 32, "What the publisher",
        "Noise floor", "grade C: estimate", "within 1 point of float32: no", "Within 1 point",
        "not enough images (about 1,300 needed)", "59.3 to 60.9", "int8-dynamic of ssd_mobilenet_v2_small",
        "−1.000 [−1.100, −0.900]", "Classes that lose most", "t_shirt & tie −0.500", "ΔAP75",
        "Photos on which int8 lost most", "Picked as the worst.", "Bonferroni", "Equal scores",
    ):  # fmt: skip
        assert part in text, part


def test_the_answer_comes_before_everything_else(html):
    page = parse(html)
    assert page.ids[0] == "answer"
    text = " ".join(" ".join(page.text).split())
    answer = text[text.index("The answer") : text.index("Findings")]
    for part in (
        "On Example CPU (2 cores), by 500 images", "Only a form that is shown to lose no more is recommended",
        "For speed", "float32 : no form within 1 point is shown",
        "For size", "float16 : 1.48 MB, 0.51 of float32's", "For accuracy", "Not known", "about 1,300 would",
    ):  # fmt: skip
        assert part in answer, part


def test_a_run_that_decides_nothing_recommends_nothing():
    results = example_results().assign(ap_within=SMALL_RUN)
    text = " ".join(parse(report.render_report(results, [], CONTEXT)).text)
    answer = text[text.index("The answer") : text.index("Findings")]
    assert "This run decides nothing" in answer
    assert "recommended" not in answer


def test_each_model_has_its_answer_under_its_name():
    results = pd.concat([example_results(), fail(example_results(model="yolo"), "float32")])
    text = " ".join(parse(report.render_report(results, [], CONTEXT)).text)
    answer = text[text.index("The answer") : text.index("Findings")]
    assert answer.index(MODEL) < answer.index("yolo") < answer.index("This run decides nothing")


def test_failures_few_images_and_absent_energy_are_told():
    results = without_energy(fail(example_results(), "int8", f"{REASON} <script>")).assign(images=40)
    html = report.render_report(results, [], replace(CONTEXT, images=40))
    text = " ".join(" ".join(parse(html).text).split())
    assert "Only 40 images" in text
    assert text.count(REASON) >= 6  # the answer, findings, tables, failures
    assert "<script>" not in html
    assert "energy not available" in text


def test_context_may_be_empty():
    text = " ".join(parse(report.render_report(example_results(), [], UNKNOWN)).text)
    assert "unknown host" in text


def test_without_losses_and_pictures_their_sections_are_left_out():
    html = report.render_report(example_results(("float32", "float32-control")), [], CONTEXT)
    assert {"loss", "photos"}.isdisjoint(parse(html).ids)
    assert "accuracy" in parse(html).ids


def test_missing_figures_and_outside_links_are_refused(tmp_path):
    with pytest.raises(LabError, match="05_compare"):
        report.render_report(example_results(), [("Size", tmp_path / "size.png", "")], CONTEXT)
    for link in ("https://example.org/x", "/etc/passwd"):
        with pytest.raises(LabError, match="relative"):
            report.render_report(example_results(), [], CONTEXT, files=[(link, "")])


def test_registry_figures_come_in_order_and_only_if_drawn(figures_folder):
    titles = [title for title, _, _ in report.registry_figures(figures_folder)]
    drawn = ("pareto", "ap_difference", "ap_loss", "size")
    assert titles == [FIGURES[name].title for name in drawn]


def test_only_pictures_of_lost_photos_are_shown_in_the_order_of_the_run(tmp_path):
    for name in ("lost_ssd_int8", "lost_ssd_float16", "lost_other_int8", "disagreement_ssd"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    run = SimpleNamespace(
        models=[SimpleNamespace(id="ssd")],
        variants=[VARIANTS[variant] for variant in ("float32", "float16", "int8")],
        paths=SimpleNamespace(pictures=tmp_path),
    )
    shown = present.lost_pictures(run)
    assert [path.stem for _, path, _ in shown] == ["lost_ssd_float16", "lost_ssd_int8"]
    assert shown[1][0] == "Photos on which int8 lost most"


def test_writing_the_report(tmp_path):
    path = report.write_report(tmp_path / "run" / "report.html", "<p>×</p>")
    assert path.read_text() == "<p>×</p>"
