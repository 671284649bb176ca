"""The pages in Debian's Chromium, as a reader uses them. They are opened from files, without a server."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import shutil
import time
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

import contradict as ct
from contradict import cli
from contradict.detector import Config
from contradict.dossier import FLOOR, write_html
from contradict.reports import Report
from contradict.schema import CONFLICTS, RELATIONS, CandidatePairs, DateRange, Scores, Statement
from tests.conftest import SEEDS

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"> "
    "\"'`&amp; {{ 7*7 }} \u202eRTL\u202c שלום <!--"
)


def made(statements, pairs, probability):
    """A report of the given pairs of statements, judged as any other."""
    n = len(pairs)
    relations = np.zeros((n, 2, len(RELATIONS)), dtype=np.float32)
    relations[:, :, RELATIONS.index("contradiction")] = np.asarray(probability)[:, None]
    relations[:, :, RELATIONS.index("neutral")] = 1 - np.asarray(probability)[:, None]
    left, right = np.array(pairs).T
    candidates = CandidatePairs(left, right, np.zeros(n, dtype=np.uint8), ("same_actor",), np.full(n, 0.5, dtype=np.float32))
    counts = dict.fromkeys(
        ("candidate_pairs", "pruned_pairs", "truncated_pairs", "skipped_inputs", "known_pairs", "one_direction_pairs"), 0
    )
    counts |= {"statements": len(statements), "actors": len({s.actor for s in statements}), "scored_pairs": n}
    return Report.of(
        statements, candidates, Scores(relations, RELATIONS, np.zeros(n, dtype=bool)), np.asarray(probability, dtype=np.float64),
        threshold=0.5, floor=0.0, calibrated=True, change_days=180, counts=counts, timings={}, config=Config(), models={}, reviews={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(seed_statements):
    return ct.scan(seed_statements, device="cpu")


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium is missing: apt-get install chromium chromium-driver"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    browser.set_script_timeout(300)
    browser.downloads = downloads
    yield browser
    browser.quit()


@pytest.fixture
def opened(driver, tmp_path):
    """A function that opens a report as a page of its own, with nothing kept from before."""

    def open_(report, name="report.html"):
        path = tmp_path / name
        report.write(path)
        driver.get(path.as_uri())
        driver.execute_script("localStorage.clear()")
        driver.get(path.as_uri())
        return driver

    yield open_
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.set_window_size(1280, 900)


def put(driver, id_, value):
    driver.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input', {bubbles: true}));"
        "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));",
        id_,
        value,
    )


def ids(driver):
    """(a, b) of every pair that passes the filters, in the order of the page."""
    return [
        tuple(pair)
        for pair in driver.execute_script(
            "dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'));"
            "return [...document.querySelectorAll('.card')].map((card) => "
            "[...card.querySelectorAll('details p code')].slice(0, 2).map((code) => code.textContent))"
        )
    ]


def keys(driver, text):
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(text).perform()


def pairs_of(findings):
    return [(f.a.id, f.b.id) for f in findings]


def severe(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_slider_gives_what_rethreshold_gives(opened, report):
    driver = opened(report)
    assert ids(driver) == pairs_of(report.findings) != []
    assert driver.find_element("id", "count").text.startswith(f"{len(report.findings)} of ")
    for threshold in (FLOOR, 0.25, 0.5, 0.85, 1):
        put(driver, "threshold", threshold)
        assert ids(driver) == pairs_of(report.rethreshold(threshold).findings)
    assert severe(driver) == []


def test_reasons_are_named_and_their_words_marked_and_held_pairs_wait_behind_their_verdict(opened):
    said = [
        ct.Statement("1", "A", "It 🌊 may be built.", channel="private"),
        ct.Statement("2", "A", "It will be built, if 30 agree.", channel="public"),
        ct.Statement("3", "A", "It 🌊 may be built!", channel="public"),
    ]
    report = made(said, [(0, 1), (0, 2)], [0.9, 0.8])
    report = report.with_deciding_words({("1", "2"): {"a": ((5, 11),), "b": ()}})
    driver = opened(report)
    assert ids(driver) == [("1", "2")]
    shown = [(e.text, e.get_attribute("title")) for e in driver.find_elements("css selector", ".told")]
    assert shown == [("may", "hedge"), ("if", "condition")]
    assert [e.get_attribute("textContent") for e in driver.find_elements("css selector", "mark")] == ["may", " be"]
    box = driver.find_element("css selector", "#verdicts input[value=compatible]")
    assert not box.is_selected()
    box.click()
    driver.execute_script("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert ids(driver) == [("1", "2"), ("1", "3")]
    assert "equal wording" in driver.find_elements("css selector", ".why")[1].text
    assert driver.find_element("css selector", ".why li.gate").text.endswith("held back for this")
    assert severe(driver) == []


def test_filters_keep_what_they_say(opened, report):
    driver = opened(report)
    put(driver, "threshold", FLOOR)
    everything = report.rethreshold(FLOOR).findings
    actor = everything[0].a.actor
    put(driver, "actor", actor)
    assert ids(driver) == pairs_of(f for f in everything if f.a.actor == actor)
    driver.find_element("css selector", "button[type=reset]").click()
    put(driver, "threshold", FLOOR)
    put(driver, "channels", "private and public")
    assert ids(driver) == pairs_of(f for f in everything if {f.a.channel, f.b.channel} == {"private", "public"})
    put(driver, "channels", "")
    put(driver, "from", "2023-01-01")
    put(driver, "to", "2023-12-31")
    year = DateRange.parse("2023")
    assert ids(driver) == pairs_of(f for f in everything if any(s.date and s.date.gap_days(year) == 0 for s in (f.a, f.b)))
    put(driver, "from", "")
    put(driver, "to", "")
    word = everything[0].a.text.split()[-1].strip(".").upper()
    put(driver, "search", f"{word} {actor}")
    found = ids(driver)
    assert pairs_of(everything[:1])[0] in found
    assert len(found) < len(everything)
    put(driver, "search", "no statement says this")
    assert ids(driver) == []
    assert "No pair passes" in driver.find_element("id", "cards").text
    put(driver, "search", "")
    put(driver, "sort", "actor")
    assert sorted(ids(driver)) == sorted(pairs_of(everything))
    names = driver.execute_script("return [...document.querySelectorAll('.card h3 bdi')].map((b) => b.textContent)")
    assert names == driver.execute_script("return [...arguments[0]].sort((a, b) => a.localeCompare(b))", names)
    for verdict in CONFLICTS:
        driver.find_element("css selector", f"#verdicts input[value={verdict}]").click()
    time.sleep(0.2)
    assert ids(driver) == []


def test_the_keyboard_moves_and_reviews(opened, report):
    from selenium.webdriver import Keys

    driver = opened(report)
    focused = "return document.activeElement.id"
    first, second = driver.execute_script("return [...document.querySelectorAll('.card')].slice(0, 2).map((c) => c.id)")
    keys(driver, "j")
    assert driver.execute_script(focused) == first
    keys(driver, "j")
    assert driver.execute_script(focused) == second
    keys(driver, "k")
    assert driver.execute_script(focused) == first
    state = driver.find_element("css selector", f"#{first} .state")
    keys(driver, "c")
    assert state.text.startswith("Confirmed as ")
    keys(driver, "c")
    assert state.text == ""
    keys(driver, "d")
    assert state.text.startswith("Dismissed as compatible")
    keys(driver, "/")
    assert driver.execute_script(focused) == "search"
    keys(driver, "jd?")  # typed, not acted on
    assert driver.find_element("id", "search").get_attribute("value") == "jd?"
    keys(driver, Keys.ESCAPE)
    keys(driver, "?")
    assert driver.find_element("id", "help").is_displayed()
    keys(driver, Keys.ESCAPE)
    assert not driver.find_element("id", "help").is_displayed()


def test_reviews_go_from_the_page_to_the_ledger_and_back(opened, report, tmp_path, capsys):
    from selenium.webdriver.support.ui import Select

    driver = opened(report)
    cards = driver.find_elements("css selector", ".card")
    confirmed, dismissed, relabelled = report.findings[:3]
    cards[0].find_elements("tag name", "button")[0].click()
    cards[1].find_elements("tag name", "button")[1].click()
    Select(cards[2].find_element("css selector", ".review select")).select_by_value("tension")
    note = cards[2].find_element("css selector", ".review input")
    note.send_keys("two readings; <b>ask</b>")
    driver.execute_script("arguments[0].blur()", note)
    driver.refresh()
    assert ids(driver) == pairs_of(f for f in report.findings if f is not dismissed)  # kept by the browser
    driver.find_element("id", "export").click()
    deadline = time.monotonic() + 20
    while not (files := list(driver.downloads.glob("reviews-*.jsonl"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    (exported,) = files
    records = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert [(r["a"]["id"], r["b"]["id"], r["label"]) for r in records] == [
        (confirmed.a.id, confirmed.b.id, confirmed.verdict), (dismissed.a.id, dismissed.b.id, "compatible"),
        (relabelled.a.id, relabelled.b.id, "tension"),
    ]  # fmt: skip
    assert records[2]["note"] == "two readings; <b>ask</b>"
    assert [p.premise for p in ct.read_labelled_pairs(exported)] == [f.a.claim for f in (confirmed, dismissed, relabelled)]
    ledger, page = str(tmp_path / "l.sqlite"), tmp_path / "later.html"
    assert cli.main(["review", "import", str(exported), "--ledger", ledger]) == 0
    assert cli.main(["scan", str(SEEDS / "statements.jsonl"), "--ledger", ledger, "--device", "cpu", "-o", str(page)]) == 0
    assert "1 finding dismissed in the ledger" in capsys.readouterr().err
    driver.get(page.as_uri())
    driver.execute_script("localStorage.clear()")
    driver.refresh()
    assert ids(driver) == pairs_of(f for f in report.findings if f is not dismissed)
    states = [e.text for e in driver.find_elements("css selector", ".state") if e.text]
    assert all("from the ledger" in s for s in states)
    assert len(states) == 2
    put(driver, "reviewed", "dismissed")
    assert ids(driver) == pairs_of([dismissed])


def test_print_holds_all_that_is_shown_and_no_controls(opened, report):
    driver = opened(report)
    put(driver, "threshold", FLOOR)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for hidden in (".filters", ".review button", ".review select", ".review input"):
        assert not driver.find_element("css selector", hidden).is_displayed()
    assert driver.find_element("css selector", ".card blockquote").is_displayed()
    colours = driver.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, getComputedStyle(document.documentElement).backgroundColor]"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert driver.print_page()
    assert len(driver.find_elements("css selector", ".card")) == len(report.rethreshold(FLOOR).findings)


def many(n):
    first = dt.date(2015, 1, 1)
    statements, pairs = [], []
    for i in range(n):
        actor = f"Speaker {i % 150}"
        day = DateRange(first + dt.timedelta(i % 3000), first + dt.timedelta(i % 3000 + i % 40))
        statements += [
            Statement(f"a{i}", actor, f"The plan {i} for the harbour goes on.", "private", day, "a call", ("The Courier", "two aides")),
            Statement(f"b{i}", actor, f"There has never been a plan {i} for the harbour.", "public", day, "a speech"),
        ]
        pairs.append((2 * i, 2 * i + 1))
    return made(statements, pairs, 0.5 + 0.5 * np.random.default_rng(0).random(n))


def test_five_thousand_findings_are_there_within_two_seconds(opened):
    report = many(5000)
    assert len(report.findings) == 5000
    driver = opened(report)
    seconds = []
    for _ in range(3):
        driver.refresh()
        seconds.append(
            driver.execute_script(
                "return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done([performance.now(),"
                " performance.getEntriesByType('navigation')[0].loadEventEnd, document.querySelectorAll('.card').length]))))"
            )
        )
    assert all(shown >= 30 for _, _, shown in seconds)
    assert min(loaded for _, loaded, _ in seconds) < 2000
    moved = [
        driver.execute_script(
            "const s = document.getElementById('threshold'), t = performance.now(); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input', {bubbles: true}));"
            "return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now() - t))))",
            threshold,
        )
        for threshold in (0.6, 0.9, 0.55, 0.8, 0.75)
    ]
    assert min(moved) < 1000
    assert driver.find_element("id", "count").text.startswith(f"{len(report.rethreshold(0.75).findings):,} of 5,000")


def hostile():
    url = "javascript:document.title='broken'"
    texts = [HOSTILE, "x" * 100_000, "word " * 20_000, "<svg onload=alert(1)>"]
    statements = [
        Statement(
            f"{HOSTILE} {i}",
            HOSTILE,
            f"{text} {i} and some more words",
            channel,
            DateRange.parse("2023"),
            HOSTILE,
            (HOSTILE,),
            HOSTILE,
            url,
        )
        for i, text in enumerate(texts)
        for channel in ("private",)
    ] + [Statement(f"p{i}", HOSTILE, f"{text} {i} in other words", "public", None, None, (), None, url) for i, text in enumerate(texts)]
    return made(statements, [(i, 4 + i) for i in range(4)], [0.9, 0.8, 0.7, 0.6])


def test_hostile_text_is_shown_as_it_stands_and_does_nothing(opened):
    report = hostile()
    driver = opened(report)
    assert len(ids(driver)) == len(report.findings) == 4
    time.sleep(0.3)
    assert driver.title == "Findings"
    shown = driver.execute_script("return [...document.querySelectorAll('blockquote')].map((q) => q.textContent)")
    assert shown == [s.text for f in report.findings for s in (f.a, f.b)]
    assert driver.find_elements("css selector", "img, .card script, .card svg, a[href^='javascript']") == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert driver.execute_script("return document.querySelectorAll('script').length") == 2
    put(driver, "search", "שלום")
    assert len(ids(driver)) == 4


def test_the_page_asks_for_nothing_and_lets_no_other_script_in(opened, report, tmp_path):
    driver = opened(report)
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = \"document.title='broken'\"; document.body.append(s)"
    )
    assert driver.title == "Findings"
    driver.get_log("browser")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


def test_the_page_of_the_same_scan_is_the_same_and_speaks_of_no_lies(report):
    pages = []
    for one in (report, replace(report, timings={"score": 1.0})):
        file = io.BytesIO()
        write_html(one, file)
        pages.append(file.getvalue().decode())
    assert pages[0] == pages[1]
    own = re.sub(r'<script type="application/json".*?</script>', "", pages[0], flags=re.DOTALL)
    assert not re.search(r"\b(?:lie[sd]?|lying|liars?)\b", own, re.IGNORECASE)


def violations(driver):
    driver.execute_script((resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = driver.execute_async_script("axe.run().then((r) => arguments[arguments.length - 1](r.violations))")
    return [(v["impact"], v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
def test_axe_finds_nothing(opened, report, scheme, width):
    driver = opened(report)
    driver.set_window_size(width, 900)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    driver.refresh()
    driver.find_element("css selector", ".card details summary").click()
    driver.find_elements("css selector", ".card .review button")[1].click()
    assert violations(driver) == []


def test_axe_finds_nothing_in_the_long_and_the_empty(opened):
    driver = opened(hostile())
    assert violations(driver) == []
    put(driver, "search", "nothing holds this")
    assert violations(driver) == []
    driver.find_element("id", "help-button").click()
    assert violations(driver) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_an_evaluation(driver, tmp_path, capsys, scheme):
    pairs = tmp_path / "p.jsonl"
    hostile_pair = {"premise": HOSTILE, "hypothesis": HOSTILE, "label": "contradiction", "phenomenon": HOSTILE, "id": HOSTILE}
    pairs.write_text((SEEDS / "labelled_pairs.jsonl").read_text(encoding="utf-8") + json.dumps(hostile_pair) + "\n", encoding="utf-8")
    page = tmp_path / "e.html"
    flags = ("--slice", "phenomenon", "--resamples", "20", "--device", "cpu", "-o", str(page))
    assert cli.main(["evaluate", str(pairs), *flags]) == 0
    capsys.readouterr()
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    driver.get(page.as_uri())
    assert driver.title == "Evaluation"
    assert driver.find_elements("css selector", "img, script") == []
    assert HOSTILE in driver.execute_script("return [...document.querySelectorAll('blockquote')].map((q) => q.textContent)")
    assert all(p.get_attribute("d").startswith("M") for p in driver.find_elements("css selector", ".curve"))
    assert violations(driver) == []
    assert severe(driver) == []
