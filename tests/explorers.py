"""An explorer's page, taken apart, and its script run in Node."""

import base64
import json
import re
import shutil
import subprocess

import pytest

from adv_ae.explore.weights import TOLERANCES

TOLERANCE = TOLERANCES[16]  # of a small decoder


def parts(page):
    """The script and what it is given."""
    script, spec = re.search(
        r"<script>\n\(\(\) => \{\n(.*)\nmount\w*\((.*)\);\n\}\)\(\);", page, re.S
    ).groups()
    return script, json.loads(spec)


def in_node(page, code):
    """What a JavaScript expression is worth behind the page's script, where `spec` is
    what the page gives to it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js: apt-get install nodejs (Debian), then run again")
    script, spec = parts(page)
    tail = f"\nconst spec = {json.dumps(spec)};\nconsole.log(JSON.stringify({code}));"
    done = subprocess.run(
        [node, "-"], input=script + tail, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def accuracy(page):
    """How far a pixel that the page decodes may be from one of the still grid."""
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', page)[1])
    depth = png[24]  # bits a pixel: byte 8 of the header, which follows 16 bytes
    return TOLERANCES[parts(page)[1].get("bits", 16)] + 0.6 / (2**depth - 1)
