"""What lies in a packed archive."""

from __future__ import annotations

import io
import tarfile


def tarred(archive: bytes, member: str) -> bytes:
    """One member of a packed archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


def names(archive: bytes) -> list[str]:
    """The members of a packed archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()
