"""The readers of landing files, for every way in which a file can be wrong."""

import gzip
import json
from pathlib import Path

import pytest

from aws_code.landing import files


def read(folder: Path, name: str, body: bytes) -> list[tuple[object, str | None]]:
    """Fields or payload of each record, with its fault."""
    path = folder / "input"
    path.write_bytes(body)
    return [
        (item.fields if item.fields is not None else item.payload.decode(), item.fault)
        for item in files.read(path, name)
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a,b\n1,x\n", [({"a": "1", "b": "x"}, None)]),
        (b"\xef\xbb\xbfa,b\n1,\n", [({"a": "1", "b": None}, None)]),
        (b'a,b\n1,"two\nlines"\n', [({"a": "1", "b": "two\nlines"}, None)]),
        (b"a,b\r\n1,=cmd()\r\n\r\n", [({"a": "1", "b": "=cmd()"}, None)]),
        (b"a,b\n1,x\x00y\n", [({"a": "1", "b": "x\x00y"}, None)]),
        (b"a,b\n\xff,x\n", [({"a": "\udcff", "b": "x"}, None)]),
        (b"a,b\n1\n2,y\n", [('["1"]', "malformed_row"), ({"a": "2", "b": "y"}, None)]),
        (b"a,b\n1,2,3\n", [('["1", "2", "3"]', "malformed_row")]),
        (b'a,b\n"1"x,2\n3,4\n', [
            ("',' expected after '\"'", "malformed_row"), ({"a": "3", "b": "4"}, None),
        ]),
        (b"", []),
        (b"a,b\n", []),
    ],
)  # fmt: skip
def test_rows_of_csv(tmp_path: Path, body: bytes, expected: list[object]) -> None:
    assert read(tmp_path, "x/some.CSV", body) == expected


def test_lines_of_json_keep_their_bytes(tmp_path: Path) -> None:
    body = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{broken\n{"a": 2}'
    assert read(tmp_path, "some.jsonl", body) == [
        ('{"a": 1}', None), ("{broken", None), ('{"a": 2}', None),
    ]  # fmt: skip


@pytest.mark.parametrize(("cut", "fault"), [(-300, "truncated_file"), (None, None)])
def test_whole_lines_of_a_torn_gzip_arrive(
    tmp_path: Path, cut: int | None, fault: str | None
) -> None:
    lines = "".join(json.dumps({"n": n, "square": n * n}) + "\n" for n in range(5000))
    found = read(tmp_path, "some.json.gz", gzip.compress(lines.encode())[:cut])
    assert found[-1][1] == fault
    whole = [json.loads(str(payload))["n"] for payload, why in found if why is None]
    assert whole == list(range(len(whole))) and len(whole) > 1000


def test_a_gzip_that_is_none_is_corrupt(tmp_path: Path) -> None:
    assert read(tmp_path, "some.csv.gz", b"a,b\n1,2\n") == [("", "corrupt_file")]


def test_a_file_that_unpacks_without_end_is_left_where_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MOST_BYTES", 1000)
    found = read(tmp_path, "some.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1_000_000))
    assert len(found) == 112 and found[-1] == ("", "too_large")


def test_a_torn_avro_file_gives_its_fault(tmp_path: Path) -> None:
    assert read(tmp_path, "some.avro", b"Obj\x01 and no more")[-1][1] == "corrupt_file"


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(files.UnknownFormat, match=r"some.xlsx: .* \.csv, \.json"):
        read(tmp_path, "some.xlsx", b"")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1}\n{"a": 2}\n', [('{"a": 1}', None), ('{"a": 2}', None)]),
        (b"Obj\x01 and no more", [("", "corrupt_file")]),
        (b"PAR1 and no more", [("", "corrupt_file")]),
    ],
)
def test_a_name_without_extension_is_read_by_its_first_bytes(
    tmp_path: Path, body: bytes, expected: list[object]
) -> None:
    assert read(tmp_path, "3f6a-0001", body) == expected


def test_first_bytes_do_not_outdo_an_extension(tmp_path: Path) -> None:
    with pytest.raises(files.UnknownFormat):
        read(tmp_path, "some.txt", b'{"a": 1}')
