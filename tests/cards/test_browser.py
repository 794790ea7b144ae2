"""The card's page in a real browser, as a reader opens it: from a file, with no network.

Needs Chromium or Chrome, and its driver. Skipped where there is none, unless the environment says
that there is to be one: KERAS_MEDAUG_BROWSER=required.
"""

import json
import os
import shutil

import pytest

from keras_medaug.cards.subject import numbered

pytestmark = pytest.mark.one_backend

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


def absent(what):
    """Skip, or fail where a browser is required."""
    if os.environ.get("KERAS_MEDAUG_BROWSER") == "required":
        pytest.fail(f"KERAS_MEDAUG_BROWSER=required, and there is no {what}")
    pytest.skip(f"no {what}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a browser that notes its messages and all that it asks for."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None) or absent("Chromium or Chrome")
    driver = shutil.which("chromedriver") or absent("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        absent("selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def opened(browser, written):
    """Return the browser, with the card open."""
    browser.get("about:blank")
    browser.get_log("performance")  # what the browser asked for by itself when it started
    browser.get((written[0] / "model_card.html").as_uri())
    return browser


def ask(browser, expression):
    return browser.execute_script(f"return {expression}")


def requested(browser):
    """Return the addresses that the browser has asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_it_asks_for_nothing_but_itself(opened):
    addresses = requested(opened)
    assert addresses[0].endswith("model_card.html")
    assert addresses[0].startswith("file:")
    assert all(address.startswith("data:image/png") for address in addresses[1:])


def test_the_browser_has_nothing_to_complain_of(opened):
    """Neither a refused style nor a broken picture."""
    assert opened.get_log("browser") == []
    assert ask(opened, "document.compatMode") == "CSS1Compat"  # no quirks


def test_every_picture_is_shown(opened, page):
    sizes = ask(opened, "[...document.images].map(i => [i.complete, i.naturalWidth, i.width])")
    assert len(sizes) == page.count("<img ")
    assert all(done and natural > 100 and shown > 100 for done, natural, shown in sizes)


def test_the_style_applies(opened):
    warnings = "getComputedStyle(document.querySelector('.warnings'))"
    assert ask(opened, f"{warnings}.borderLeftStyle") == "solid"
    assert ask(opened, "getComputedStyle(document.querySelector('.pictures')).display") == "flex"


def test_warnings_and_names_can_be_read(opened, stored):
    """As text: the name of a class that is a script has not run."""
    text = ask(opened, "document.body.innerText")
    for sentence in (*stored["warnings"], *stored["notes"]):
        assert sentence in text
    assert numbered(stored["class_names"])[0] in text
    assert opened.title == "Model card: CVAE trained on phantom <b>8</b>"
    assert ask(opened, "document.scripts.length") == 0


def test_a_script_would_not_run(opened):
    """The page's own policy refuses it, whatever got into the page."""
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s);"
    )
    assert ask(opened, "window.ran === undefined")
    opened.execute_script("document.body.lastChild.remove()")
    assert "Content Security Policy" in opened.get_log("browser")[0]["message"]


@pytest.mark.parametrize("width", [1280, 500])
def test_it_fits_a_wide_and_a_narrow_window(opened, width):
    """With a name of 300 letters, too."""
    opened.set_window_size(width, 900)
    assert ask(opened, "innerWidth") == width
    assert ask(opened, "document.documentElement.scrollWidth <= innerWidth")
    opened.execute_script(
        "for (const kind of ['h1', 'dt', 'dd', 'figcaption', 'li', 'th'])"
        "  document.querySelector(kind).append('x'.repeat(300))"
    )
    try:
        assert ask(opened, "document.documentElement.scrollWidth <= innerWidth")
        wide = "[...document.querySelectorAll('figure')].filter(f => f.scrollWidth > f.offsetWidth)"
        assert ask(opened, f"{wide}.length") == 0
    finally:
        opened.refresh()


def test_all_settings_unfold(opened):
    details = "document.querySelector('details')"
    assert not ask(opened, f"{details}.open")
    opened.execute_script(f"{details}.querySelector('summary').click()")
    assert ask(opened, f"{details}.querySelector('pre').offsetHeight") > 100
    assert '"latent_dim": 4' in ask(opened, f"{details}.innerText")


def test_headings_and_tables_say_what_they_are(opened):
    headings = ask(opened, "[...document.querySelectorAll('h1, h2')].map(h => h.innerText)")
    assert headings[0].startswith("Model card")
    assert headings[1:] == [
        "Read this first", "About", "Samples", "Beside real images", "Memorization check",
        "Labels", "Training", "Data", "How they were made", "What the numbers mean",
    ]  # fmt: skip
    assert ask(opened, "[...document.querySelectorAll('table')].every(t => t.caption)")
    assert ask(opened, "document.documentElement.lang") == "en"
