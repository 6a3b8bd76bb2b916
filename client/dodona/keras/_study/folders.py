"""A project's folder: a name that every system accepts, whatever the study is called.

A study may be called `../../x`, `/abs` or `CON`, or have 300 characters. Its folder is still inside `directory`, with
the same name for every worker. A folder that an earlier version created inside `directory` is still found.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re

import fsspec

logger = logging.getLogger("dodona")

MAX_NAME_BYTES = 128
# Not allowed in file names on some system, or special in fsspec's URLs.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]|[. ]$|^\.+$')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?", re.IGNORECASE)
_LONGEST_BEGINNING = 40


def folder_name(project: str) -> str:
    """Return the name of a project's folder: its own if every system accepts it, else its beginning and a digest.

    Args:
        project: the project's name, or the study's.
    """
    encoded = project.encode(errors="surrogatepass")
    fits = len(encoded) <= MAX_NAME_BYTES and encoded.decode(errors="replace") == project
    if fits and not _FORBIDDEN.search(project) and not _RESERVED.fullmatch(project):
        return project
    beginning = re.sub(r"[^A-Za-z0-9_-]+", "_", project)[:_LONGEST_BEGINNING].strip("_")
    return f"{beginning or 'study'}-{hashlib.sha256(encoded).hexdigest()[:16]}"


def project_folder(directory: str, project: str, *, warn: bool = False) -> str:
    """Return the folder of a project; inside a folder of KerasTuner, a subfolder of our own.

    KerasTuner's trials there have the same numbers as ours, and their weights are not changed.

    Args:
        directory: the working directory, a path or a URL.
        project: the project's name.
        warn: whether to log a warning if KerasTuner or an earlier version used another folder.
    """
    name = folder_name(project)
    folder = os.path.join(directory, name)
    before = os.path.join(directory, project)
    if name != project and _is_a_path(project) and _has_trials(before):
        if _is_inside(project):
            folder = before
        elif warn:
            logger.warning("%s is outside of %s and is no longer used: files go to %s", before, directory, folder)
    files, path = fsspec.core.url_to_fs(folder)
    if not files.exists(f"{path}/oracle.json"):
        return folder
    ours = os.path.join(folder, "dodona")
    if warn:
        logger.warning("%s is a project of KerasTuner, whose files stay as they are: weights go to %s", folder, ours)
    return ours


def _is_a_path(project: str) -> bool:
    return ":" not in project and "\0" not in project


def _is_inside(project: str) -> bool:
    """Return whether a path of that name stays inside the folder to which it is appended."""
    return not {"", ".", ".."} & set(re.split(r"[/\\]", project))


def _has_trials(place: str) -> bool:
    files, path = fsspec.core.url_to_fs(place)
    try:
        names = [name.rstrip("/").rpartition("/")[2] for name in files.ls(path, detail=False)]
    except OSError:
        return False
    return any(re.fullmatch(r"trial_\d+|oracle\.json", name) for name in names)
