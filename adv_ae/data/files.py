"""Files by checksum: from ADV_AE_DATA, from the cache, or from a mirror."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adv_ae.data.base import DataError


@dataclass(frozen=True)
class Source:
    """Files of one folder: name to (sha256, size in bytes), and who serves them."""

    folder: str
    mirrors: tuple[str, ...]
    files: Mapping[str, tuple[str, int]]


def _shared_folder() -> Path | None:
    """The folder that ADV_AE_DATA names, or None where it is not set."""
    named = os.environ.get("ADV_AE_DATA")
    if not named:
        return None
    if not Path(named).expanduser().is_dir():
        raise DataError(
            f"ADV_AE_DATA names {named!r}, which is not a folder: expected one with "
            "mnist/, fashion-mnist/, binarized-mnist/, cifar10/ or svhn/ in it. "
            "Correct or unset it."
        )
    return Path(named).expanduser()


def _cache_folder() -> Path:
    """Where downloads are kept: ADV_AE_CACHE, or the user's cache of `adv_ae`."""
    import pooch

    folder = os.environ.get("ADV_AE_CACHE") or pooch.os_cache("adv_ae")
    return Path(folder).expanduser()


def _verified(path: Path, sha256: str, size: int) -> bytes:
    """The content of a file, if it is the expected one.

    Raises:
        DataError: it cannot be read, or its size or sha256 differs.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Check its rights.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        fault = "truncated" if len(content) < size else "corrupt, or another file"
        raise DataError(
            f"{path} is {fault}: expected {size} bytes with sha256 {sha256}, found "
            f"{len(content)} bytes with sha256 {found}. Delete it and load again, or "
            "put the right file in its place."
        )
    return content


def local(source: Source, name: str) -> bytes | None:
    """The verified content of a file that is here already, or None.

    A wrong file in ADV_AE_DATA is an error, for somebody chose it; one in the cache
    counts as missing and is downloaded again.
    """
    shared = _shared_folder()
    if shared is not None and (path := shared / source.folder / name).exists():
        return _verified(path, *source.files[name])
    path = _cache_folder() / source.folder / name
    try:
        return _verified(path, *source.files[name]) if path.exists() else None
    except DataError:
        return None


def fetch(source: Source, name: str) -> bytes:
    """The verified content of a file: from here, else from the first good mirror.

    Pooch writes a download beside its place under another name and renames it once
    its sha256 is right, so that a half download is never taken for the file.

    Raises:
        DataError: the file in ADV_AE_DATA is wrong, or no mirror gave the right one.
    """
    content = local(source, name)
    if content is not None:
        return content
    import pooch

    (sha256, size), folder = source.files[name], _cache_folder() / source.folder
    http = pooch.HTTPDownloader(timeout=30)
    tried = [f"{folder / name}: a wrong file"] if (folder / name).exists() else []
    if not source.mirrors:
        tried.append("no mirror has it")
    for mirror in source.mirrors:
        try:
            path = pooch.retrieve(mirror + name, sha256, name, folder, downloader=http)
            return _verified(Path(path), sha256, size)
        except (OSError, ValueError) as error:  # of the network, the disk, the hash
            tried.append(f"{mirror + name}: {error}")
    raise DataError(
        f"{source.folder}/{name} is not here and could not be downloaded.\n  "
        + "\n  ".join(tried)
        + f"\nExpected {size} bytes with sha256 {sha256}. Check the network and load "
        f"again, or put the file at {folder / name}, or set ADV_AE_DATA to a folder "
        f"that has {source.folder}/{name}."
    )
