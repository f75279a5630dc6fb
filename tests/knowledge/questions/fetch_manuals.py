"""Debian's documentation packages go in; a folder for each manual comes out, ready to be indexed.

Nothing is installed: apt-get downloads each package into a temporary folder, dpkg-deb unpacks it there, and the pages
that a reader came for are copied. Needs Debian, or something like it, whose lists of packages are up to date.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer


@dataclass(frozen=True, slots=True)
class Manual:
    """A manual: the package it comes in and its version when the questions were written, and which pages are taken.

    ``pages`` are patterns below ``folder``, which is the manual's own within the package; ``left_out`` are names of
    pages that only lead to others, or tell what changed when.
    """

    name: str
    package: str
    version: str
    folder: str
    pages: tuple[str, ...] = ("**/*.html",)
    left_out: tuple[str, ...] = ()


_GIT_PAGES = """
    user-manual gittutorial gittutorial-2 giteveryday gitfaq gitworkflows gitcli gitglossary gitignore gitattributes
    githooks gitcredentials gitsubmodules gitrevisions git-add git-am git-bisect git-blame git-branch git-bundle
    git-cherry-pick git-clean git-clone git-commit git-config git-describe git-diff git-fetch git-format-patch git-gc
    git-grep git-init git-maintenance git-merge git-mergetool git-mv git-notes git-pull git-push git-rebase git-reflog
    git-remote git-rerere git-reset git-restore git-revert git-rm git-shortlog git-sparse-checkout git-stash git-status
    git-submodule git-switch git-tag git-worktree howto/recover-corrupted-blob-object howto/revert-a-faulty-merge
    howto/setup-git-server-over-http
"""
_SQLITE_PAGES = """
    about appfileformat atomiccommit autoinc backup cli conflict datatype3 eqp errlog expridx faq fileformat
    floatingpoint foreignkeys fts5 gencol howtocompile howtocorrupt inmemorydb isolation json1 lang_aggfunc
    lang_altertable lang_analyze lang_attach lang_conflict lang_corefunc lang_createindex lang_createtrigger
    lang_createview lang_datefunc lang_indexedby lang_mathfunc lang_reindex lang_replace lang_returning lang_savepoint
    lang_transaction lang_upsert lang_vacuum lang_with limits loadext lockingv3 mmap nulls omitted optoverview
    partialindex pragma printf queryplanner quirks recovery rescode rowidtable rowvalue rtree security serverless
    sharedcache sqldiff stricttables tempfiles threadsafe unlock_notify uri useovernet wal whentouse withoutrowid
"""

MANUALS: Final = (
    Manual(
        "borg",
        "borgbackup-doc",
        "1.2.4-1",
        "usr/share/doc/borgbackup/html",
        pages=("*.html", "usage/*.html", "deployment/*.html", "internals/*.html"),
        left_out=("authors", "book", "changes", "genindex", "search"),
    ),
    Manual(
        "git",
        "git-doc",
        "1:2.39.5-0+deb12u3",
        "usr/share/doc/git-doc",
        pages=tuple(f"{page}.html" for page in _GIT_PAGES.split()),
    ),
    Manual(
        "sqlite",
        "sqlite3-doc",
        "3.40.1-2+deb12u2",
        "usr/share/doc/sqlite3",
        pages=tuple(f"{page}.html" for page in _SQLITE_PAGES.split()),
    ),
    Manual(
        "exim",
        "exim4-doc-html",
        "4.96-1",
        "usr/share/doc/exim4-doc-html/spec_html",
        left_out=("ch-concept_index", "ch-option_index", "ch-variable_index"),
    ),
    Manual("handbook", "debian-handbook", "11.20220922", "usr/share/doc/debian-handbook/html/en-US"),
    Manual(
        "python",
        "python3.11-doc",
        "3.11.2-6+deb12u9",
        "usr/share/doc/python3.11/html",
        pages=("tutorial/*.html", "faq/*.html"),
    ),
    Manual(
        "click",
        "python-click-doc",
        "8.1.3-2",
        "usr/share/doc/python-click-doc/html",
        pages=("*.html",),
        left_out=("404", "changes", "genindex", "py-modindex", "search"),
    ),
)


def main(
    target: Annotated[Path, typer.Argument(help="The folder that gets a folder for each manual; made if need be.")],
    *,
    only: Annotated[list[str] | None, typer.Option(help="Only this manual; may be given several times.")] = None,
) -> None:
    """Fetch real manuals from Debian's documentation packages (63 MB of downloads for all of them)."""
    known = [manual.name for manual in MANUALS]
    if unknown := set(only or ()).difference(known):
        raise typer.BadParameter(f"no manual is called {', '.join(sorted(unknown))}: they are {', '.join(known)}")
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
        typer.echo(f"{' and '.join(missing)} not found: this works on Debian and its kin only.", err=True)
        raise typer.Exit(1)
    for manual in MANUALS:
        if only and manual.name not in only:
            continue
        place = target / manual.name
        if place.exists():
            typer.echo(f"{manual.name}: is there already")
            continue
        try:
            version = fetched(manual, place)
        except subprocess.CalledProcessError as error:
            typer.echo(f"{manual.name}: {str(error.stderr).strip()}\nTry apt-get update first.", err=True)
            raise typer.Exit(1) from error
        sizes = [page.stat().st_size for page in place.rglob("*.html")]
        note = "" if version == manual.version else f" (the questions were written for {manual.version})"
        typer.echo(
            f"{manual.name}: {manual.package} {version}{note}, {len(sizes)} pages, {sum(sizes) / 1_000_000:.1f} MB"
        )


def fetched(manual: Manual, place: Path) -> str:
    """Lay a manual's pages into a folder that is not there yet; its package's version comes back.

    Raises:
        subprocess.CalledProcessError: the package cannot be downloaded or unpacked; ``stderr`` says why.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run("apt-get", "download", manual.package, folder=folder)
        package = next(folder.glob("*.deb")).name
        version = _run("dpkg-deb", "-f", package, "Version", folder=folder).strip()
        _run("dpkg-deb", "-x", package, "unpacked", folder=folder)
        top = folder / "unpacked" / manual.folder
        made = folder / "made"
        for pattern in manual.pages:
            for page in top.glob(pattern):
                if page.is_symlink() or page.stem in manual.left_out:  # a link is a second name of a page
                    continue
                copy = made / page.relative_to(top)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(page, copy)
        if not made.exists():
            raise subprocess.CalledProcessError(
                1, manual.package, stderr=f"{package} holds none of the pages looked for"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, place)
    return version


def _run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours


if __name__ == "__main__":
    typer.run(main)
