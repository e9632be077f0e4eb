"""The names of a dataset's files, as text and in fairseq's binary form."""

from __future__ import annotations

SPLITS = ("train", "valid", "test")
SIDES = ("src", "dst")
#: All text files of a dataset.
TEXT_FILES = tuple(f"{split}.{side}" for split in SPLITS for side in SIDES)
#: Dictionaries beside the text, of tasks that give their own.
TEXT_DICTIONARIES = tuple(f"dict.{side}.txt" for side in SIDES)
#: The files that fairseq-preprocess writes for a dataset.
BINARY_FILES = (
    *(f"dict.{side}.txt" for side in SIDES),
    *(f"{split}.src-dst.{side}.{kind}" for split in SPLITS for side in SIDES for kind in ("bin", "idx")),
)
#: The checksums of those files, in the form of `sha256sum`: one small file that stands for them all.
CHECKSUMS = "sha256.txt"
