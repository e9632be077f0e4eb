"""Tables to be compared, of a folder or of an archive that may be anybody's.

It is compressed, and what a tar says of its entries is read into memory: it takes no more than it may.
"""

from __future__ import annotations

import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from indoubt.errors import UserError

#: The tables that are compared, and bytes that one of an archive may have.
COMPARED = ("seed_code_lengths", "seed_classes")
MOST_BYTES = 2**30
#: Bytes that one header may have beside its 512, entries, and bytes of all that is said of them.
MOST_HEADER, MOST_ENTRIES, MOST_SAID = 2**20, 10**6, 2**28
HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
T = TypeVar("T")


class Entry(tarfile.TarInfo):
    """An entry that is refused where its header would take more memory than that of any archive of results."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Entry:
        """An entry from its 512 bytes, before what more there is of its header is read.

        Raises:
            UserError: there is more of it than a name takes, or it is a list of holes.
        """
        entry = super().frombuf(buf, encoding, errors)
        if entry.type == tarfile.GNUTYPE_SPARSE or (entry.type in HEADERS and entry.size > MOST_HEADER):
            raise UserError("a header of the archive is larger than any archive of results has; get it again")
        return entry


def files_of(archive: tarfile.TarFile) -> list[tuple[str, int, tarfile.TarInfo]]:
    """Name, size and entry of each regular file.

    Args:
        archive: opened with `tarinfo=Entry`.

    Raises:
        UserError: there are more entries, or more is said of them, than there can be of results.
    """
    files, length = [], 0
    for place, entry in enumerate(archive):
        length += sum(len(name) + len(str(value)) for name, value in entry.pax_headers.items())
        if place >= MOST_ENTRIES or length > MOST_SAID:
            raise UserError("the archive has more entries, or longer headers, than any archive of results has")
        if entry.isreg():
            files.append((entry.name, entry.size, entry))
    return files


@contextmanager
def tables_of(results: Path) -> Iterator[Path]:
    """The folder of tables of a results folder, of a folder of tables itself, or of an archive of either.

    Raises:
        UserError: there are no tables, or it is no archive that can be read.
    """
    if results.is_dir():
        yield _tables_below(results, results)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            if _is_tar(results):
                with tarfile.open(results, tarinfo=Entry) as archive:
                    _extract(results, files_of(archive), archive.extractfile, Path(folder))
            elif zipfile.is_zipfile(results):
                with zipfile.ZipFile(results) as archive_zip:
                    infos = [(m.filename, m.file_size, m) for m in archive_zip.infolist()]
                    _extract(results, infos, archive_zip.open, Path(folder))
            else:
                raise UserError(f"{results} is neither a results folder nor a tar or zip archive of one")
        except FileNotFoundError:
            raise UserError(f"{results} does not exist; name a results folder or an archive of one") from None
        except (
            *(tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, RuntimeError),
            NotImplementedError,
        ) as error:  # RuntimeError: a zip archive with a password
            raise UserError(f"archive {results} cannot be read: {error}") from error
        yield _tables_below(Path(folder), results)


def _is_tar(results: Path) -> bool:
    """Whether a file begins like a tar; `tarfile.is_tarfile` would read its first header whatever its size."""
    try:
        with tarfile.open(results, tarinfo=Entry):
            return True
    except tarfile.ReadError:
        return False


def _extract(
    results: Path, members: list[tuple[str, int, T]], opened: Callable[[T], IO[bytes] | None], folder: Path
) -> None:
    """Write the tables that are compared, out of the archive's outermost folder that has them, and nothing else."""
    tables = [member for member in members if member[0].rsplit("/", 1)[-1] in (f"{name}.csv" for name in COMPARED)]
    if not tables:
        return
    outermost = min((name.rpartition("/")[0] for name, _, _ in tables), key=lambda name: (name.count("/"), name))
    for name, size, member in tables:
        inner, _, table = name.rpartition("/")
        file = opened(member) if inner == outermost else None
        if file is None:
            continue
        data = file.read(MOST_BYTES + 1) if size <= MOST_BYTES else None
        if data is None or len(data) > MOST_BYTES:
            raise UserError(f"archive {results} cannot be read: its {table} has more than {MOST_BYTES >> 20} MB")
        (folder / table).write_bytes(data)


def _tables_below(folder: Path, named: Path) -> Path:
    paths = sorted(folder.rglob("seed_code_lengths.csv"), key=lambda path: len(path.parts))
    if not paths:
        raise UserError(f"{named} holds no tables (seed_code_lengths.csv); make them with `snakemake tables --cores 1`")
    return paths[0].parent
