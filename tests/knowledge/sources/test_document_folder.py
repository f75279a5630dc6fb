"""The folder as it is written to: under safe names, at one stroke, and never outside of it."""

from __future__ import annotations

import os
import stat
import threading
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import collection_of
from bot.errors import DocumentUnreadable, StoreUnusable
from bot.knowledge.readers import known_suffix
from bot.knowledge.sources import document_folder as room
from bot.knowledge.sources.document_folder import NAME_BYTES, DocumentFolder, normalize_public_url, sanitize_file_name
from bot.knowledge.sources.folder import list_known_files
from bot.knowledge.sources.web.addresses import build_page_name, parse_url_list


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "people").mkdir(parents=True)
    (folder / "people" / "leave.md").write_text("Ask Ada.")
    return folder


@pytest.fixture
def shelf(root: Path) -> DocumentFolder:
    return DocumentFolder(root)


def list_files(root: Path) -> set[str]:
    """Every file there is around the documents' folder, hidden ones as well."""
    top = root.parent
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file() or path.is_symlink()}


# --- Names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Leave policy (2024).md", "Leave policy (2024).md"),
        ("Größe.PDF", "Größe.PDF"),
        ("../../etc/cron.d/evil.md", "evil.md"),
        ("/etc/passwd.md", "passwd.md"),
        ("..\\..\\boot.md", "boot.md"),
        ("C:\\Users\\x.md", "x.md"),
        ("C:x.md", "C_x.md"),
        (".hidden.md", "hidden.md"),
        ("...md.md", "md.md"),
        ("@legal.toml", "legal.toml"),
        ("@@ .x.md", "x.md"),
        ("-rf.md", "rf.md"),
        ("a\x00b\x1b[0m\n.md", "ab[0m.md"),
        ("\u202egpj\u200b.\u2066md.md", "gpj.md.md"),
        ("con.md", "_con.md"),
        ("NUL.tar.md", "_NUL.tar.md"),
        ("Com1 .md", "_Com1.md"),
        ("LPT¹.md", "_LPT¹.md"),
        ("console.md", "console.md"),
        ('a<b>:"|?*.md', "a_b______.md"),
        ("e\u0301te\u0301.md", "été.md"),
        ("\ud800.md", "_.md"),
        ("x" * 500 + ".md", "x" * (NAME_BYTES - 3) + ".md"),
        ("漢" * 500 + ".markdown", "漢" * 47 + ".markdown"),
        ("  spaced   out .md ", "spaced out.md"),
        ("x.md. .", "x.md"),
    ],
)
def test_file_name_is_reduced_to_one_safe_on_every_platform(name: str, safe: str) -> None:
    assert sanitize_file_name(name) == safe


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "a.md/", ".md", "..md", "report", "run.exe", "a.md\\..", "package-lock.json"]
)
def test_a_name_of_no_known_format_is_refused(name: str) -> None:
    with pytest.raises(DocumentUnreadable, match="no known format"):
        sanitize_file_name(name)


@pytest.mark.parametrize("name", ["urls.txt", "URLS.TXT", "../urls.txt", ".urls.txt", "urls.txt ", "\u200burls.txt"])
def test_url_list_is_not_overwritten_by_a_file(name: str) -> None:
    with pytest.raises(DocumentUnreadable, match="list of web pages"):
        sanitize_file_name(name)


@given(
    st.text(max_size=300).map(lambda text: f"{text}.md")
    | st.text("./\\@~-: \u202e\u200b\x00acon", max_size=20).map(lambda text: f"{text}.md")
)
def test_safe_name_is_idempotent_for_any_name(name: str) -> None:
    try:
        safe = sanitize_file_name(name)
    except DocumentUnreadable:
        return
    assert PurePosixPath(safe).name == PureWindowsPath(safe).name == safe
    assert len(safe.encode()) <= NAME_BYTES + 1
    assert unicodedata.is_normalized("NFC", safe)
    assert not safe.startswith((".", "@", " "))
    assert not any(unicodedata.category(sign).startswith("C") for sign in safe)
    assert known_suffix(safe) == ".md"
    assert safe.partition(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert sanitize_file_name(safe) == safe


# --- Files ---------------------------------------------------------------------------------------------------------


def test_file_is_stored_in_its_collections_folder_created_if_missing(root: Path, shelf: DocumentFolder) -> None:
    assert shelf.add("legal", "../terms.md", b"Terms.") == "@legal/terms.md"
    assert shelf.add("", "hours.md", b"Hours.") == "hours.md"
    assert (root / "@legal" / "terms.md").read_bytes() == b"Terms."
    assert [found.relative for found in list_known_files(root)] == ["@legal/terms.md", "hours.md", "people/leave.md"]
    assert collection_of("@legal/terms.md") == "legal"
    if os.name == "posix":
        assert stat.S_IMODE((root / "@legal").stat().st_mode) == 0o700
        assert stat.S_IMODE((root / "hours.md").stat().st_mode) == 0o600


def test_a_file_of_the_same_name_is_replaced_and_keeps_who_may_read_it(root: Path, shelf: DocumentFolder) -> None:
    shelf.add("", "hours.md", b"Old.")
    (root / "hours.md").chmod(0o644)
    shelf.add("", "hours.md", b"New.")
    assert (root / "hours.md").read_bytes() == b"New."
    assert stat.S_IMODE((root / "hours.md").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "../x", "a b", "ä", "x" * 41, "@a", "a\n", "a\x00", ".git", "a.b", "\u202ea"]
)
def test_invalid_collection_name_is_refused(root: Path, shelf: DocumentFolder, name: str) -> None:
    before = list_files(root)
    with pytest.raises(DocumentUnreadable, match="no collection may be called that"):
        shelf.add(name, "a.md", b"Text.")
    with pytest.raises(DocumentUnreadable, match="no collection may be called that"):
        shelf.add_page(name, "https://team.example/")
    assert list_files(root) == before


def test_two_collections_do_not_differ_by_capitals_alone(shelf: DocumentFolder) -> None:
    shelf.add("Legal", "a.md", b"Text.")
    with pytest.raises(DocumentUnreadable, match="a collection Legal already"):
        shelf.add("legal", "a.md", b"Text.")


def test_a_collections_folder_that_is_a_link_is_refused(root: Path, shelf: DocumentFolder) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "@legal").symlink_to(outside)
    (root / "@inside").symlink_to(root / "people")
    for name in ("legal", "inside"):
        with pytest.raises(StoreUnusable, match="is a link"):
            shelf.add(name, "a.md", b"Text.")
        with pytest.raises(StoreUnusable, match="is a link"):
            shelf.add_page(name, "https://team.example/")
    assert list(outside.iterdir()) == []


def test_symlink_with_the_files_name_is_replaced_and_its_target_untouched(root: Path, shelf: DocumentFolder) -> None:
    secret = root.parent / "secret.md"
    secret.write_text("secret")
    (root / "hours.md").symlink_to(secret)
    shelf.add("", "hours.md", b"New.")
    assert secret.read_text() == "secret"
    assert not (root / "hours.md").is_symlink()


def test_missing_documents_folder_is_not_created(tmp_path: Path) -> None:
    shelf = DocumentFolder(tmp_path / "not mounted")
    with pytest.raises(StoreUnusable, match="missing"):
        shelf.add("legal", "a.md", b"Text.")
    assert not (tmp_path / "not mounted").exists()
    assert not shelf.remove("a.md")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_besides(
    root: Path, shelf: DocumentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("", "hours.md", b"Old.")
    before = list_files(root)

    def raise_disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", raise_disk_full)
    with pytest.raises(StoreUnusable, match="disk is"):
        shelf.add("", "hours.md", b"New.")
    assert list_files(root) == before
    assert (root / "hours.md").read_bytes() == b"Old."


# --- Pages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://team.example/handbook#top", "https://team.example/handbook"),
        (" https://TEAM.example ", "https://team.example/"),
        ("http://8.8.8.8/x", "http://8.8.8.8/x"),
    ],
)
def test_page_address_is_listed_normalised_in_its_collections_url_list(
    root: Path, shelf: DocumentFolder, url: str, address: str
) -> None:
    assert shelf.add_page("legal", url) == address
    assert shelf.add_page("legal", url) == address
    assert (root / "@legal" / "urls.txt").read_text() == f"{address}\n"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "team.example",
        "ftp://team.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:pw@team.example/",
        "https://team.example:8080/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://localhost/",
        "http://db.localhost./",
        "http://intranet/",
        "http://printer.local/",
        "https://team.example/ *",
        "https://team.example/a\nhttps://evil.example/",
        "https://team.example/\x00",
    ],
)
def test_private_or_invalid_page_address_is_not_added(root: Path, shelf: DocumentFolder, url: str) -> None:
    before = list_files(root)
    with pytest.raises(DocumentUnreadable):
        shelf.add_page("", url)
    assert list_files(root) == before


@given(st.text("htps:/.ab#*? \n\r\u2028\x85é漢%", max_size=30).map(lambda text: f"https://team.example/{text}"))
def test_accepted_address_is_one_line_for_that_page_only(url: str) -> None:
    try:
        address = normalize_public_url(url)
    except DocumentUnreadable:
        return
    (wanted,) = parse_url_list(f"# before\n{address}\n")
    assert (wanted.line, wanted.address, wanted.is_tree, wanted.fault) == (2, address, False, "")


def test_existing_url_list_lines_stay_unchanged(root: Path, shelf: DocumentFolder) -> None:
    (root / "urls.txt").write_bytes(b"\xef\xbb\xbf# ours\r\nhttps://a.example/docs *\r\nnonsense\r\nhttps://b.example/")
    shelf.add_page("", "https://a.example/docs")
    assert (root / "urls.txt").read_bytes().endswith(b"b.example/")
    shelf.add_page("", "https://c.example/")
    assert (root / "urls.txt").read_bytes() == (
        b"\xef\xbb\xbf# ours\r\nhttps://a.example/docs *\r\nnonsense\r\nhttps://b.example/\nhttps://c.example/\n"
    )


def test_a_list_that_cannot_be_read_is_not_overwritten(root: Path, shelf: DocumentFolder) -> None:
    (root / "urls.txt").write_bytes(b"\x7fELF\x00\x00")
    with pytest.raises(StoreUnusable, match="binary content"):
        shelf.add_page("", "https://team.example/")
    (root / "@legal").mkdir()
    (root.parent / "secret.txt").write_text("https://secret.example/")
    (root / "@legal" / "urls.txt").symlink_to(root.parent / "secret.txt")
    with pytest.raises(StoreUnusable, match="not a regular file"):
        shelf.add_page("legal", "https://team.example/")
    assert (root / "urls.txt").read_bytes() == b"\x7fELF\x00\x00"


def test_a_full_list_takes_no_more(root: Path, shelf: DocumentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ADDRESSES_PER_LIST", 2)
    for name in "ab":
        shelf.add_page("", f"https://{name}.example/")
    with pytest.raises(DocumentUnreadable, match="2 addresses already"):
        shelf.add_page("", "https://c.example/")
    assert (root / "urls.txt").read_text() == "https://a.example/\nhttps://b.example/\n"


def test_concurrently_added_pages_are_all_kept(root: Path, shelf: DocumentFolder) -> None:
    threads = [
        threading.Thread(target=shelf.add_page, args=("", f"https://team.example/{number}")) for number in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len((root / "urls.txt").read_text().splitlines()) == 24


# --- Removing ------------------------------------------------------------------------------------------------------


def test_document_is_removed_from_the_folder_once(root: Path, shelf: DocumentFolder) -> None:
    shelf.add("legal", "terms.md", b"Terms.")
    assert shelf.remove("@legal/terms.md")
    assert not shelf.remove("@legal/terms.md")
    assert shelf.remove("people/leave.md")
    assert list_known_files(root) == []


@pytest.mark.parametrize(
    "document",
    [
        "../secret.md",
        "people/../../secret.md",
        "people/../people/leave.md",
        "./people/leave.md",
        "people//leave.md",
        "/etc/hostname",
        "people",
        "people/",
        "",
        ".",
        "..",
        "@legal.toml",
        ".env.md",
        "urls.txt",
        "@legal/urls.txt",
        "linked/secret.md",
        "people/leave.md\x00",
        "people\\leave.md",
    ],
)
def test_only_listed_documents_can_be_removed(root: Path, shelf: DocumentFolder, document: str) -> None:
    (root.parent / "secret.md").write_text("secret")
    (root / "linked").symlink_to(root.parent)
    (root / "@legal").mkdir()
    for name in ("@legal.toml", ".env.md", "urls.txt", "@legal/urls.txt"):
        (root / name).write_text("https://team.example/")
    before = list_files(root)
    assert not shelf.remove(document)
    assert list_files(root) == before


def test_symlink_is_removed_and_its_target_kept(root: Path, shelf: DocumentFolder) -> None:
    (root / "twin.md").symlink_to(root / "people" / "leave.md")
    assert shelf.remove("twin.md")
    assert (root / "people" / "leave.md").read_text() == "Ask Ada."


def test_page_is_removed_from_the_url_list_only_by_its_exact_line(root: Path, shelf: DocumentFolder) -> None:
    (root / "@legal").mkdir()
    file = root / "@legal" / "urls.txt"
    file.write_text(
        "# ours\nhttps://a.example/one\nhttps://a.example/one/ # again\nhttps://a.example/one/two\n"
        "https://a.example/tree *\nnonsense\n"
    )
    assert shelf.remove(build_page_name("@legal/urls.txt", "https://a.example/one"))
    assert file.read_text() == "# ours\nhttps://a.example/one/two\nhttps://a.example/tree *\nnonsense\n"
    for address in ("https://a.example/one", "https://a.example/tree", "https://a.example/tree/leaf"):
        assert not shelf.remove(build_page_name("@legal/urls.txt", address))
    assert not shelf.remove(build_page_name("urls.txt", "https://a.example/one/two"))
    assert not shelf.remove("@legal/urls.txt/nonsense")
    assert file.read_text() == "# ours\nhttps://a.example/one/two\nhttps://a.example/tree *\nnonsense\n"


def test_added_page_can_be_removed_by_its_document_name(root: Path, shelf: DocumentFolder) -> None:
    address = shelf.add_page("", "https://team.example/handbook?page=2#part")
    assert shelf.remove(build_page_name("urls.txt", address))
    assert (root / "urls.txt").read_text() == ""
    assert shelf.add_page("", "https://team.example/") == "https://team.example/"
