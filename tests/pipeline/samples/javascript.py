"""JavaScript: runs `generator.js` where there is something to run it with, on data as JSON."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage.paths import PROJECT

GENERATOR = PROJECT / "pipeline" / "comparison" / "page" / "generator.js"
NODE = shutil.which("node") or shutil.which("nodejs")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node (Debian: apt-get install nodejs)")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=20000", "--dump-dom"),
)


def in_node(expression: str, data: Any) -> Any:
    """The value of a JavaScript expression of `ganforgeGenerator` and `data`, from node."""
    script = (
        f"const ganforgeGenerator = require({json.dumps(str(GENERATOR))});"
        "const data = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        f"process.stdout.write(JSON.stringify({expression}));"
    )
    command = [str(NODE), "-e", script]
    ran = subprocess.run(command, input=json.dumps(data), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def in_chromium(expression: str, data: Any, folder: Path) -> Any:
    """Evaluate the expression in headless Chromium, in a page that needs no other file."""
    page = folder / "page.html"
    page.write_text(
        f'<meta charset="utf-8"><body><script type="application/json" id="data">{json.dumps(data)}</script>'
        f"<script>{GENERATOR.read_text(encoding='utf-8')}</script><pre id='result'></pre><script>"
        "const data = JSON.parse(document.getElementById('data').textContent);"
        f"document.getElementById('result').textContent = JSON.stringify({expression});</script>",
        encoding="utf-8",
    )
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    match = re.search(r'<pre id="result">(.*?)</pre>', seen, re.DOTALL)
    assert match and match[1], seen[-2000:]
    return json.loads(unescape(match[1]))
