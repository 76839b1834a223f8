"""Files that are not dumps are refused with a message that says what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.readers import containers
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, written

LFS_POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:a88348c20ed3f85d647e8fbaac0a730ab2f09f95e5d1f4bcf1f9e3650ef624d7\nsize 300904694\n"
)


def tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        info = tarfile.TarInfo("Reviews.csv")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return sink.getvalue()


def zip_with(name: str, content: str = "Score,Text\n5,a\n") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, content)
    return sink.getvalue()


def encrypted_zip() -> bytes:
    data = bytearray(zip_with("Reviews.csv"))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    return bytes(data)


def inside_gzip(content: bytes) -> bytes:
    return gzip.compress(content)


def many_rows() -> bytes:
    return csv_text([("5", f"review number {n} {n * n}") for n in range(30_000)], ("Score", "Text")).encode()


BAD = {
    "empty": (b"", "is empty (0 bytes)"),
    "lfs pointer": (LFS_POINTER.encode(), "a Git LFS pointer to a file of 300,904,694 bytes"),
    "html": (b"\n <!DOCTYPE html><html><body>Sign in</body></html>", "HTML or XML page"),
    "html in gzip": (inside_gzip(b"<html></html>"), "HTML or XML page"),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(200), "a Linux program"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
    "pickle": (pickle.dumps([1, 2, 3]), "pickle"),
    "database": (b"SQLite format 3\x00" + bytes(90), "a SQLite database"),
    "tar": (tar(), "a tar archive"),
    "tar.gz": (inside_gzip(tar()), "a tar archive"),
    "unknown binary": (bytes(range(256)) * 20, "a binary file"),
    "json array of arrays": (b'[["a", 5]]', "does not name its columns"),
    "json array, cut": (b'[{"text": "a", "score": 5}, {"text": "b', "JSON value 2 cannot be read"),
    "header only": (b"Score,Text\n", "only column names and no reviews"),
    "empty lines": (b"\n\n\n", "has only empty lines"),
    "truncated bzip2": (bz2.compress(many_rows())[:-5000], "ends in the middle of its compressed data, after line "),
    "truncated xz": (lzma.compress(many_rows())[:-5000], "ends in the middle of its compressed data, after line "),
    "truncated zstd": (zstandard.compress(many_rows())[:-5000], "ends in the middle of its compressed data, after "),
    "damaged xz": (lzma.compress(many_rows())[:-20] + bytes(20), "is damaged"),
    "xz in gzip": (inside_gzip(lzma.compress(b"Score,Text\n5,a\n")), "an archive inside an archive"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "save the sheet as CSV"),
    "open document": (
        zip_with("content.xml"),
        "is an OpenDocument file (.ods), which is not read. Save the sheet as CSV",
    ),
    "hollow excel": (zip_with("xl/workbook.xml", "<workbook/>"), "is an Excel workbook that cannot be read"),
    "gzip of nothing": (inside_gzip(b""), "is empty"),
    "truncated gzip": (inside_gzip(b"Score,Text\n5,abc\n" + os.urandom(50).hex().encode())[:-20], "ends in the middle"),
    "truncated gzip, far in": (
        inside_gzip(many_rows())[:-5000],
        "ends in the middle of its compressed data, after line ",
    ),
    "damaged gzip": (inside_gzip(many_rows())[:-6] + b"\0\0\0\0\0\0", "is damaged"),
    "gzip with something after": (inside_gzip(b"Score,Text\n5,a\n") + b"tail of another file", "is damaged"),
    "gzip in gzip": (inside_gzip(inside_gzip(b"Score,Text\n5,a\n")), "an archive inside an archive"),
    "zip climbing out": (zip_with("../../Reviews.csv"), "points outside the archive"),
    "zip with backslashes": (zip_with("..\\Reviews.csv"), "points outside the archive"),
    "zip with a root": (zip_with("/etc/Reviews.csv"), "points outside the archive"),
    "zip with a drive": (zip_with("C:Reviews.csv"), "points outside the archive"),
    "zip encrypted": (encrypted_zip(), "is encrypted. Unpack it with its password"),
    "zip without reviews": (
        zip_with("readme.md"),
        "does not contain a dump of reviews, but: 'readme.md'",
    ),
    "zip cut": (zip_with("Reviews.csv")[:-30], "damaged or was cut short"),
    "cp1251": (
        ("Score,Text\n" + "5,Очень хорошо, мне нравится\n" * 9).encode("cp1251"),
        "neither UTF-8 nor windows-1252",
    ),
    "gbk": (("Score,Text\n" + "5,质量太差了不推荐购买\n" * 9).encode("gbk"), "Name the encoding of the file"),
    "other encoding than asked": (
        b"Score,Text\n5,a\n5,\xff\n",
        "line 3: the bytes are not valid in the requested encoding 'ascii'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_dumps_are_refused(tmp_path, store, case) -> None:
    content, message = BAD[case]
    config = {"encoding": "ascii"} if case == "other encoding than asked" else {}
    with pytest.raises(SourceError) as error:
        read(store, written(tmp_path / "Reviews.csv", content), **config)
    assert message in str(error.value)
    assert "Reviews.csv" in str(error.value)
    assert not list((tmp_path / "store").glob("artifacts/ingest/*"))
    assert not list((tmp_path / "store").glob("in_progress/*"))


def test_a_damaged_parquet_file(tmp_path, store) -> None:
    path = tmp_path / "r.parquet"
    table = pa.table({"text": [f"review {n} of many words" for n in range(20_000)], "score": [5] * 20_000})
    pq.write_table(table, path, row_group_size=10_000, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    with pytest.raises(SourceError, match=r"begins as Parquet but cannot be opened.*damaged or was cut short"):
        read(store, written(path, bytes(data[:-100])))
    middle = len(data) * 2 // 3
    data[middle : middle + 2000] = bytes(2000)
    with pytest.raises(SourceError, match=r"cannot be read after row \d[\d,]* of 20,000"):
        read(store, written(path, bytes(data)))
    assert not list((tmp_path / "store").glob("artifacts/ingest/*"))


def test_nested_parquet_columns_are_refused(tmp_path, store) -> None:
    pq.write_table(pa.table({"text": [["a"]], "score": [5]}), tmp_path / "r.parquet")
    with pytest.raises(SourceError, match=r"column 'text'.*expected text or numbers"):
        read(store, tmp_path / "r.parquet")


def test_bombs_are_stopped(tmp_path, store, monkeypatch) -> None:
    monkeypatch.setattr(containers, "FREE_BYTES", 100_000)
    bomb = b"Score,Text\n5," + b"a" * 3_000_000
    packed = {
        "r.csv.gz": gzip.compress(bomb),
        "r.csv.bz2": bz2.compress(bomb),
        "r.csv.xz": lzma.compress(bomb),
        "r.csv.zst": zstandard.compress(bomb),
    }
    with zipfile.ZipFile(tmp_path / "r.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.csv", bomb)
    with zipfile.ZipFile(tmp_path / "r.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bomb)
    for name, content in packed.items():
        written(tmp_path / name, content)
    for name in [*packed, "r.zip", "r.xlsx"]:
        with pytest.raises(SourceError, match="guard against zip bombs"):
            read(store, tmp_path / name)


@pytest.mark.parametrize("packed", ["xz", "zstd"])
def test_the_memory_of_a_decompressor_is_bounded(tmp_path, store, packed) -> None:
    content = b"Score,Text\n5,a\n"
    if packed == "xz":
        data = lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}])
    else:
        parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=0)
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        data = stream.compress(content) + stream.flush()
    with pytest.raises(SourceError, match=r"needs more than 134,217,728 bytes of memory"):
        read(store, written(tmp_path / f"r.csv.{packed}", data))
