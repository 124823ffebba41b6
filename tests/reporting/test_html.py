import html
import json
import os
import re
from pathlib import Path

import pytest
import tiny
from browser import CHROMIUM, Browser
from run_folder import full_report, make_run
from small_file import relu_file

import tfcompress as tfc
from tfcompress.quality.accuracy import predict

EVIL = (
    "</script><script>window.owned=1</script>\"'><img src=x onerror=window.owned=2>$\\x"
)


@pytest.fixture(scope="module")
def evil_run(tmp_path_factory):
    """A run in which every name wants to be more than a name."""
    report = full_report(layer=EVIL, stage=EVIL, labels=(EVIL, "{{ 7 * 7 }}\x1b"))
    return make_run(tmp_path_factory.mktemp("runs") / "<i>a", report, model=EVIL)


@pytest.fixture(scope="module")
def page(evil_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    comparison = tfc.compare([evil_run, evil_run / "model.tflite"], latency=False)
    path.write_text(comparison.to_html())
    return path


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser() as browser:
        yield browser


def test_names_stay_names(page):
    text = page.read_text()
    assert EVIL not in text
    assert EVIL in html.unescape(text)
    assert text.count("<script") == text.count("</script>") == 1
    assert "<i>a" not in text
    assert "{{ 7 * 7 }}\\x1b" in html.unescape(text)


def test_nothing_is_fetched_and_only_our_script_may_run(page):
    text = page.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.search(r"script-src 'sha256-[^']+'$", policy)
    sources = re.findall(r'(?:src|href)="([^"]{0,5})', text)
    assert sources
    assert set(sources) == {"data:"}


def test_every_part_of_a_run_is_there(page):
    text = page.read_text()
    headings = re.findall(r"<h2>([^<]*)</h2>", text)
    for heading in (
        "Summary",
        "Accuracy against cost",
        "Stage by stage",
        "Where the bytes went",
        "Layer by layer",
        "Memory over one run",
        "Which classes are confused",
        "Images whose prediction changed",
        "Robustness",
        "What was skipped, and why",
        "Use the file",
        "Where it was measured",
    ):
        assert heading in headings


def test_only_what_differs(evil_run, tmp_path):
    other = make_run(tmp_path / "b", seed=3)
    text = tfc.compare([evil_run, other], latency=False).to_html(diff_only=True)
    assert "recipe.seed" in text
    assert "Layer by layer" not in text


def test_two_files_are_shown_side_by_side(tmp_path):
    paths = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
    for path in paths:
        path.write_bytes(relu_file())
    text = tfc.compare(paths, latency=False).to_html()
    assert text.count("Layer by layer") == 1
    assert "params before" in text


def test_each_of_three_files_stands_beside_the_first_with_what_is_known(tmp_path):
    data, model = tiny.data(), tiny.model()
    paths = [tmp_path / f"{name}.tflite" for name in "abc"]
    for path, quantization in zip(paths, ("float32", "float16", "int8"), strict=True):
        tfc.export_tflite(model, path, data, quantization=quantization)
    found = tfc.compare(paths, data=data, latency=False)
    text = html.unescape(found.to_html())
    headings = re.findall(r"<h2>([^<]*)</h2>", text)
    names = [f"{paths[0]} and {path}" for path in paths[1:]]
    for heading in (
        *("Where the bytes went", "Layer by layer", "Memory over one run"),
        *("Which classes are confused", "Images whose prediction changed"),
        *("Use the file", *names),
    ):
        assert headings.count(heading) == (1 if heading in names else 2), heading
    answers = {path: predict(path, data).argmax(1) for path in paths}
    for path in paths[1:]:
        number = (answers[path] != answers[paths[0]]).sum()
        assert f"<p>{number} of 30 test images: " in text
        assert f"Interpreter({str(path)!r}, num_threads=1)" in text


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_without_errors_and_fits(browser, page, width):
    browser.open(page, width)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.complaints == []
    fetched = [url for url in browser.requests if not url.startswith("data:")]
    assert set(fetched) == {page.as_uri()}
    assert browser.evaluate("window.owned") is None
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    broken = "[...document.images].filter(image => !image.naturalWidth).length"
    assert browser.evaluate(broken) == 0
    folder = Path(os.environ.get("TFCOMPRESS_SCREENSHOTS", page.parent))
    folder.mkdir(parents=True, exist_ok=True)
    screenshot = folder / f"report_{width}.png"
    browser.screenshot(screenshot)
    print(f"screenshot: {screenshot}")
    assert screenshot.stat().st_size > 10_000


def test_tables_sort_where_their_heads_are_pressed(browser, evil_run, tmp_path):
    make_run(tmp_path / "b", full_report(), seed=3)
    comparison = tfc.compare([evil_run, tmp_path / "b"], latency=False)
    path = tmp_path / "sorted.html"
    path.write_text(comparison.to_html(diff_only=True))
    browser.open(path, 1280)
    column = (
        "JSON.stringify([...document.querySelectorAll('#summary tbody tr')]"
        ".map(row => row.cells[{}].dataset.sort))"
    )
    press = "document.querySelectorAll('#summary th button')[{}].click()"

    def after_press(place):
        browser.evaluate(press.format(place))
        return json.loads(browser.evaluate(column.format(place)))

    # Numbers begin with the largest, as numbers; names with A.
    heads = "JSON.stringify([...document.querySelectorAll('#summary th')]"
    heads = json.loads(browser.evaluate(heads + ".map(head => head.textContent))"))
    top1 = heads.index("top-1")
    assert after_press(top1) == ["0.9", "0.9", "0.8875", "0.8875"]
    assert after_press(top1) == ["0.8875", "0.8875", "0.9", "0.9"]
    assert after_press(0) == ["4", "3", "2", "1"]
    kinds = after_press(heads.index("kind"))
    assert kinds == ["artifact", "artifact", "baseline", "baseline"]
    assert browser.complaints == []
