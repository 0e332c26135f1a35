"""Hostile and broken XML: refused with a sentence, before it has cost memory or time; nothing outside is ever read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gridhub.connectors.warnings import xmltree
from gridhub.connectors.warnings.xmltree import XmlError, read_xml

BILLION = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><alert>&b;</alert>'
EXTERNAL = b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert>&x;</alert>'
PARAMETER = b'<!DOCTYPE l [<!ENTITY % r SYSTEM "http://127.0.0.1:9/p"> %r;]><alert/>'


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (BILLION, "DOCTYPE"),
        (EXTERNAL, "DOCTYPE"),
        (PARAMETER, "DOCTYPE"),
        (b'<!DOCTYPE alert PUBLIC "-//A" "http://127.0.0.1:9/a.dtd"><alert/>', "DOCTYPE"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"), "DOCTYPE"),
        (b"<alert>&unknown;</alert>", "well-formed"),
        (b"<a>" * 100, "nested deeper"),
        (b"<a>" + b"<b/>" * (xmltree.MOST_ELEMENTS + 1) + b"</a>", "elements"),
        (b"<a " + b" ".join(b'a%d=""' % n for n in range(70)) + b"/>", "attributes"),
        (b"<a " + b" ".join(b'a%d=""' % n for n in range(60_000)) + b"/>", "tag or comment"),
        (b"<a><!--" + b"x" * 600_000 + b"--></a>", "tag or comment"),
        (b"x" * (xmltree.MOST_BYTES + 1), "more than"),
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"<a>\x00</a>", "well-formed"),
        (b"<a><b></a></b>", "well-formed"),
        (b"<a/><a/>", "well-formed"),
        (b"{}", "well-formed"),
        (b'<?xml version="1.0" encoding="UTF-8"?><a>\xb1\xa9</a>', "encoding that it names"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "not read"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "not read"),
        (b'<?xml version="1.0" encoding="martian"?><a/>', "not known"),
    ],
)
def test_what_is_hostile_or_broken_is_refused(data: bytes, sentence: str) -> None:
    """Each kind is refused with a sentence that names it."""
    with pytest.raises(XmlError, match=sentence):
        read_xml(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb2312", "gbk", "gb18030", "big5"])
def test_the_encodings_of_real_senders_are_read(encoding: str) -> None:
    """A declared encoding, or a byte order mark, gives the same text."""
    declared = encoding.removesuffix("-sig")
    data = f'<?xml version="1.0" encoding="{declared}"?><a>\n<b> 大雨 </b></a>'.encode(encoding)
    assert read_xml(data).children[0].text == "大雨"


def test_embedded_resources_are_not_kept() -> None:
    """Hundreds of kB of base64 in derefUri are read past; the text around them is there."""
    node = read_xml(b"<a><derefUri>" + b"QUJD" * 150_000 + b"</derefUri><uri>u</uri></a>")
    assert [child.text for child in node.children] == ["", "u"]


def test_namespaces_are_told_from_names() -> None:
    """A prefix does not matter, the namespace does."""
    node = read_xml(b'<p:a xmlns:p="urn:x" p:k="v"><b/></p:a>')
    assert (node.name, node.space, node.children[0].space) == ("a", "urn:x", "")


def test_a_hundred_megabytes_are_refused_in_little_memory() -> None:
    """The command refuses a file of 100 MB with exit 1, having read a bounded part, and stays below 100 MB."""
    program = (
        "import resource, subprocess, sys;"
        "run = subprocess.run([sys.executable, '-m', 'gridhub.streams.cli', 'convert', 'cap'],"
        " stdin=open('/dev/zero', 'rb'), capture_output=True);"
        "sys.stderr.buffer.write(run.stderr);"
        "print(run.returncode, len(run.stdout), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    code, written, kilobytes = map(int, done.stdout.split())
    assert (code, written) == (1, 0)
    assert "more than" in done.stderr
    assert kilobytes < 100_000
