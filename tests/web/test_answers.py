"""How pages are sent: compressed, only if they have changed, and instead of errors that a program would read."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient
from tests.web.conftest import Page, Site

TOKEN = "a long random secret"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[AppClient]:
    """A server with a token."""
    store = open_store(f"sqlite:///{tmp_path / 'guarded.db'}")
    with AppClient(create_app(store, Options(token=TOKEN)), base_url="http://localhost") as client:
        yield client


def test_a_page_is_compressed_for_who_reads_that(site: Site) -> None:
    site.create("mnist")
    for path in ("/", "/new", "/studies/p/l/mnist"):
        plain = site.client.get(path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        with site.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
            content = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(content) == plain.content
        assert len(content) < len(plain.content) / 2


def test_static_files_are_compressed(site: Site) -> None:
    path = site.page("/").all("script", type="module")[0]["src"]
    with site.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        content = b"".join(packed.iter_raw())
    assert gzip.decompress(content) == site.client.get(path, headers={"Accept-Encoding": "identity"}).content


def test_a_page_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    site.create("mnist")
    site.start("mnist")
    for path in ("/", "/studies/p/l/mnist", "/studies/p/l/mnist/trials/1"):
        tag = site.client.get(path).headers["etag"]
        again = site.client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    site.finish("/mnist/trials/1", val_accuracy=0.5)
    changed = site.client.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert "0.5" in changed.text


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/nothing", 404, "there is nothing at /nothing"),
        ("/v1/projects/p/locations/l/studies/none", 404, "projects/p/locations/l/studies/none does not exist"),
        ("/v1/projects/p/locations/l/studies/none:export?format=xls", 400, "format"),
    ],
)
def test_a_browser_gets_a_page_for_any_error_and_a_program_json(site: Site, path: str, code: int, words: str) -> None:
    answer = site.client.get(path, headers=BROWSER)
    assert answer.status_code == code
    assert words in Page(answer).text
    assert "content-security-policy" in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))
    assert site.client.get(path).json()["error"]["code"] == code


def test_without_a_token_a_browser_gets_the_form_to_sign_in_with_its_style(guarded: AppClient) -> None:
    answer = guarded.get("/", headers=BROWSER)
    page = Page(answer)
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers
    assert "leave it empty to sign in with a token" in page.text
    assert guarded.get(page.all("link", rel="stylesheet")[0]["href"]).status_code == 200
    assert guarded.get("/static/x/../../v1/projects/p/locations/l/studies").status_code == 401
    assert guarded.get("/", auth=("anyone", TOKEN), headers=BROWSER).status_code == 200


def test_a_host_that_is_not_local_is_refused_with_a_page(site: Site) -> None:
    answer = site.client.get("/", headers={**BROWSER, "Host": "evil.example"})
    assert answer.status_code == 403
    assert "That is not allowed" in Page(answer).text
