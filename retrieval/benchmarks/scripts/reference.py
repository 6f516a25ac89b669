"""A script of the shape that MAST documents for its own: announce a file, fetch it with a curl of its own, next file.

Written from the description of the format (https://outerspace.stsci.edu/display/MASTDOCS/API+Curl+Download), so that
there is something to compare with; real ones hold the same curl line for each file.
"""

from collections.abc import Iterable, Iterator
from shlex import quote

from retrieval.scripts.entry import Entry

_HEAD = """#!/bin/bash
# Requires bash >= 4 and curl; public and exclusive access data.
if ! command -v curl >/dev/null; then
    echo 'This script needs curl.' >&2
    exit 1
fi
DOWNLOAD_FOLDER={name}
CONT=''
mkdir -p "$DOWNLOAD_FOLDER"
cat >"$DOWNLOAD_FOLDER/MANIFEST.HTML" <<EOT
<!DOCTYPE html><html><head><title>{name}</title></head><body></body></html>
EOT
"""

_FILE = """
cat <<EOT
<<< Downloading File: {uri}
                  To: {path}
EOT
curl --globoff --location-trusted -f --progress-bar --create-dirs $CONT --output {target} {url}
"""


def lines(name: str, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the script in pieces; `name` is its folder."""
    yield _HEAD.format(name=name)
    for entry in entries:
        target, url = quote(f"./{name}/{entry.path}"), quote(f"{entry.url}&bundle_name={name}.sh")
        yield _FILE.format(uri=entry.uri, path=entry.path, target=target, url=url)
    yield "\nexit 0\n"
