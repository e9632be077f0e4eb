"""The entries of a tar that may be anybody's: what it says of them is read into memory, and may be compressed."""

from __future__ import annotations

import tarfile

from indoubt.errors import UserError

#: Bytes that one header may have beside its 512, entries, and bytes of all that is said of them.
MOST_HEADER, MOST_ENTRIES, MOST_SAID = 2**20, 10**6, 2**28
HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


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
