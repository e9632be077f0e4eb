"""Archives that somebody else made: what they hold is data, is never run, and cannot be written anywhere else."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.errors import UserError
from indoubt.report.archived_tables import tables_of
from indoubt.report.comparison import compare_results
from indoubt.schema import columns_of
from indoubt.workflow import archive as received
from indoubt.workflow.archive import read_archive, unpack
from tests.shared.workspace import ROOT

RECORD = {
    "key": "ab12",
    "status": "ok",
    "seconds": 1.0,
    "updates": 2,
    "nats": {"cd34": 3.5},
    "outputs": {"ef56": [[4, 5], []]},
    "engine": "fused",
    "note": {"task": "add-or-mul", "size": 5, "learner": "cnn", "seed": 1, "block": 0},
    "time": 1.0,
}
CONFIG = {"learners": {"uniform": {"module": "transformer"}}, "experiments": []}
LEDGER = "ledger/fused-1/ab12/host-1.jsonl"


def archive(path: Path, members: dict[str, str | tarfile.TarInfo] | None = None, **manifest: Any) -> Path:
    """An archive whose checksums are right, whatever it holds; members are texts, or entries without a content."""
    whole: dict[str, Any] = {"config.yaml": yaml.safe_dump(CONFIG), LEDGER: json.dumps(RECORD) + "\n"}
    whole |= members or {}
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in whole.items() if isinstance(text, str)}
    about = {"format": received.FORMAT, "codes": ["fused-1"], "measured_by": {}, "sha256": sums} | manifest
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {"manifest.json": json.dumps(about), **whole}.items():
            entry = text if isinstance(text, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = text.encode() if isinstance(text, str) else b""
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_a_sound_archive_is_read(tmp_path: Path) -> None:
    cut_off = json.dumps(RECORD) + "\n" + json.dumps(RECORD)[:30]
    path = archive(tmp_path / "a.tar.gz", {LEDGER: cut_off, "tables/fpa.csv": "task\n", "report/index.html": "<p>"})
    manifest, content, texts = read_archive(path)
    assert manifest["codes"] == ["fused-1"] and content == CONFIG
    assert set(texts) == {LEDGER, "tables/fpa.csv", "report/index.html"}


@pytest.mark.parametrize(
    "name",
    [
        "../escape.jsonl",
        "ledger/../../escape.jsonl",
        "ledger/fused-1/../../../escape.jsonl",
        "/tmp/escape.jsonl",
        "tables/../../escape.csv",
        "tables/evil.py",
        "tables/.hidden.csv",
        "ledger/fused-1/ab12/evil.py",
        "ledger/fused-1/evil.jsonl",
        "ledger/fused-1/ab12/back\\..\\slash.txt",
        "Snakefile",
        ".cache/resolved.json",
        f"tables/{'x' * 250}.csv",
    ],
)
def test_names_that_are_not_ours_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is no archive of doubt: it holds"):
        unpack(archive(tmp_path / "a.tar.gz", {name: "x"}), tmp_path / "results")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz"]


@pytest.mark.parametrize(
    "member",
    [
        entry("tables/fpa.csv", tarfile.SYMTYPE, "/etc/passwd"),
        entry("tables/fpa.csv", tarfile.LNKTYPE, "config.yaml"),
        entry("tables/fpa.csv", tarfile.CHRTYPE),
        entry("tables/fpa.csv", tarfile.FIFOTYPE),
        entry("tables", tarfile.DIRTYPE),
        entry("config.yaml", tarfile.REGTYPE),
    ],
)
def test_links_devices_folders_and_doubles_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    sums = dict.fromkeys(("config.yaml", LEDGER, "tables/fpa.csv"), "")
    with pytest.raises(UserError, match="is no archive of doubt: it holds"):
        read_archive(archive(tmp_path / "a.tar.gz", {"another": member}, sha256=sums))


def test_what_the_manifest_does_not_state_is_refused(tmp_path: Path) -> None:
    for sums in ({}, {"config.yaml": ""}):
        with pytest.raises(UserError, match="is no archive of doubt: it holds"):
            read_archive(archive(tmp_path / "a.tar.gz", sha256=sums))


@pytest.mark.parametrize("where", ["member", "header", "manifest"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "BESIDES", 2**20)
    huge = "0" * (20 * 2**20)
    path = tmp_path / "a.tar.gz"
    if where == "member":
        archive(path, {"tables/fpa.csv": huge})
    elif where == "manifest":
        archive(path, padding=huge)
    else:
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
            long = tarfile.TarInfo("manifest.json")
            long.pax_headers = {"comment": huge}
            tar.addfile(long)
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="it unpacks to more than 100 times its size"):
        read_archive(path)


@pytest.mark.parametrize(
    "change",
    [
        {"key": 5},
        {"key": "\u001b[31m"},
        {"status": "fine"},
        {"seconds": "1"},
        {"updates": None},
        {"nats": {"cd34": "3.5"}},
        {"nats": [1]},
        {"outputs": {"ef56": [[-1]]}},
        {"outputs": {"ef56": [["a"]]}},
        {"outputs": {"ef56": 3}},
        {"engine": "=HYPERLINK(1)"},
        {"device": "[red]cpu"},
        {"note": {}},
        {"note": {**RECORD["note"], "seed": "1"}},  # type: ignore[dict-item]
        {"note": {**RECORD["note"], "task": "@SUM(1)"}},  # type: ignore[dict-item]
    ],
)
def test_lines_that_are_no_records_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    text = json.dumps(RECORD) + "\n" + json.dumps(RECORD | change) + "\n"
    with pytest.raises(UserError, match=r"line 2 of ledger/\S+ is no record of a training"):
        read_archive(archive(tmp_path / "a.tar.gz", {LEDGER: text}))


@pytest.mark.parametrize(
    ("members", "manifest"),
    [
        ({"config.yaml": "[]"}, {}),
        ({"config.yaml": "a: !!python/object/apply:os.system [touch ran]"}, {}),
        ({"config.yaml": "a: &a [*a]"}, {}),
        ({"config.yaml": "{"}, {}),
        ({"config.yaml": "{" * 5000}, {}),
        ({LEDGER: "[" * 100_000}, {}),
        ({LEDGER: "5\n"}, {}),
        ({"ledger/fused-1/ab12/shelf.json": "[]"}, {}),
        ({}, {"sha256": []}),
        ({}, {"codes": [["fused-1"]]}),
        ({}, {"measured_by": {"cnn": 5}}),
        ({}, {"format": None}),
    ],
)
def test_what_is_not_what_it_should_be_is_said_so(
    tmp_path: Path, members: dict[str, str], manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"is damaged|is no archive of doubt|is of another format"):
        read_archive(archive(tmp_path / "a.tar.gz", members, **manifest))
    assert not (tmp_path / "ran").exists()


def test_a_configuration_of_a_few_lines_that_stands_for_billions_of_values_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(UserError, match="is damaged"):
        read_archive(archive(tmp_path / "a.tar.gz", {"config.yaml": "\n".join(lines)}))


def test_a_configuration_that_is_a_template_is_not_taken(tmp_path: Path) -> None:
    """Snakemake, which is to go on from what was unpacked, would evaluate it."""
    template = CONFIG | {"__use_yte__": True, "?open('ran', 'w')": 1}
    path = archive(tmp_path / "a.tar.gz", {"config.yaml": yaml.safe_dump(template)})
    with pytest.raises(UserError, match="unknown key '__use_yte__'"):
        unpack(path, tmp_path / "results", trusted=True)
    assert not (tmp_path / "results" / "archived").exists()


def naming(folder: Path) -> list[dict[str, Any]]:
    """Configurations by which code of a folder would be run, or found out by running it."""
    task = "add-or-mul"
    experiment = {"task": task, "sizes": [5], "learners": ["mine"], "seeds": 1, "measures": ["fpa"]}
    whole = {"experiments": [experiment], "updates": 1, "device": "cpu"}
    built_in = {"learners": {"mine": {"module": "transformer"}}}
    grid = folder / "grid.json"
    return [
        whole | built_in | {"task_folder": str(folder)},
        whole | built_in | {"learner_folder": str(folder)},
        whole | {"learners": {"mine": {"module": str(folder / "evil.py")}}},
        whole | {"learners": {"mine": {"module": f"{ROOT}/learners/../{folder.relative_to('/')}/evil.py"}}},
        whole | {"learners": {"mine": {"arch": "evil", "user-dir": str(folder)}}},
        whole | {"learners": {"mine": {"arch": "evil", "user_dir": str(folder)}}},
        whole | {"learners": {"mine": {"hf": "gpt2", "pretrained": str(folder)}}},
        whole | {"learners": {"mine": {"grid": str(grid)}}},
        whole | {"learners": {"mine": {"module": str(folder / "evil.py"), "sweep": {"width": [1, 2]}}}},
    ]


@pytest.mark.parametrize("place", range(9))
def test_code_that_the_configuration_names_is_not_run(tmp_path: Path, place: int) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("evil.py", "__init__.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (folder / "grid.json").write_text(json.dumps({"arch": ["evil"], "user-dir": [str(folder)]}))
    path = archive(tmp_path / "a.tar.gz", {"config.yaml": yaml.safe_dump(naming(folder)[place])})
    with pytest.raises(UserError, match=r"names code or weights that are not this repository's.*--trust"):
        unpack(path, tmp_path / "results")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "results").exists()


def test_code_that_is_trusted_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    path = archive(tmp_path / "a.tar.gz", {"config.yaml": yaml.safe_dump(naming(folder)[0])})
    with pytest.raises(UserError, match="must define exactly one subclass"):
        unpack(path, tmp_path / "results", trusted=True)
    assert (tmp_path / "ran").exists()


def table(name: str, **cells: Any) -> str:
    row = {column: cells.get(column, 1) for column in columns_of(name)}
    return ",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n"


def tables() -> dict[str, str]:
    return {f"results/tables/{name}.csv": table(name) for name in ("seed_code_lengths", "seed_classes")}


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members.items():
            made.writestr(name, text)
    return path


def tarred(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, text in members.items():
            each = tarfile.TarInfo(name)
            each.size = len(text.encode())
            made.addfile(each, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_comparing_takes_two_tables_out_of_an_archive_and_nothing_else(
    tmp_path: Path, pack: Callable[[Path, dict[str, str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    deeper = {"results/tables/old/seed_classes.csv": "no\n"}
    climbing = {"../escape": "x", "/tmp/escape-absolute": "x", "results/evil.py": "x"}
    path = pack(tmp_path / "a", deeper | climbing | tables())
    with tables_of(path) as folder:
        assert sorted(each.name for each in folder.iterdir()) == ["seed_classes.csv", "seed_code_lengths.csv"]
        assert (folder / "seed_classes.csv").read_text() == table("seed_classes")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a"]
    monkeypatch.setattr("indoubt.report.archived_tables.MOST_BYTES", 2**20)
    bomb = pack(tmp_path / "bomb", tables() | {"results/tables/seed_classes.csv": "0" * 2**22})
    with pytest.raises(UserError, match="has more than 1 MB"), tables_of(bomb):
        pass


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
@pytest.mark.parametrize("first", [True, False])
def test_comparing_reads_no_header_that_is_huge(tmp_path: Path, kind: bytes, first: bool) -> None:
    """A header is read whole: 2^40 bytes that it says to have are not asked for."""
    huge = tarfile.TarInfo("results/header")
    huge.type, huge.size = kind, 2**40
    path = tarred(tmp_path / "a.tar.gz", {} if first else tables())
    whole = gzip.decompress(path.read_bytes())
    before = whole if not first else b""
    end = before.rstrip(b"\0")
    before = end.ljust(-(-len(end) // 512) * 512, b"\0")
    path.write_bytes(gzip.compress(before + huge.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240))
    with pytest.raises(UserError, match="a header of the archive is larger"), tables_of(path):
        pass


def test_comparing_takes_long_names_and_not_ever_more_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {f"{'long/' * 60}{name}": text for name, text in tables().items()}
    with tables_of(tarred(tmp_path / "long.tar.gz", deep)) as folder:
        assert len(list(folder.iterdir())) == 2
    for name, most in (("MOST_ENTRIES", 1), ("MOST_SAID", 300)):
        with monkeypatch.context() as changed:
            changed.setattr(f"indoubt.report.archived_tables.{name}", most)
            with pytest.raises(UserError, match="more entries, or"), tables_of(tmp_path / "long.tar.gz"):
                pass


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(1)", "+1;x", "-x", "\u001b[31mred", "[link=file:///x]x"])
def test_comparing_refuses_cells_that_are_more_than_names(tmp_path: Path, cell: str) -> None:
    texts = tables() | {"results/tables/seed_classes.csv": table("seed_classes", learner=cell)}
    for name, text in texts.items():
        (tmp_path / Path(name).name).write_text(text)
    with pytest.raises(UserError, match="is no table of doubt"):
        compare_results(tmp_path, tmp_path)


def test_comparing_refuses_words_where_numbers_belong(tmp_path: Path) -> None:
    for name, text in tables().items():
        (tmp_path / Path(name).name).write_text(text)
    (tmp_path / "seed_code_lengths.csv").write_text(table("seed_code_lengths", bits="many"))
    with pytest.raises(UserError, match="bits is 'many', no number"):
        compare_results(tmp_path, tmp_path)


def test_an_archive_that_is_only_compressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"hello"))
    with pytest.raises(UserError, match="is damaged, or no archive of doubt"):
        read_archive(tmp_path / "a.tar.gz")
