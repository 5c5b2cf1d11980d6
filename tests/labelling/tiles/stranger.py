"""Run by test_cluster_access.py as another user: what answers at these addresses?

usage: python stranger.py UID FOLDER ADDRESS …, addresses as Dask writes them or as http://…; prints
those that answered, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from distributed import rpc
from distributed.comm import tcp  # noqa: F401  # before the rights to read it are gone
from distributed.security import Security

SECONDS = 3
PATHS = ("/", "/health", "/metrics", "/json/identity.json", "/info/main/workers.html")


async def answers(address: str, security: Security) -> bool:
    async def ask() -> None:
        arguments = security.get_connection_args("client")
        async with rpc(address, connection_args=arguments) as there:
            await there.identity()

    try:
        await asyncio.wait_for(ask(), SECONDS)
    except Exception:
        return False
    return True


def shows(address: str) -> bool:
    for path in PATHS:
        try:
            urllib.request.urlopen(address + path, timeout=SECONDS).read()
            return True
        except urllib.error.HTTPError:  # not this page
            continue
        except OSError:  # nobody who speaks HTTP
            break
    return False


async def main(user: int, folder: str, addresses: list[str]) -> None:
    certificate, nothing = Security.temporary(), Security()
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    ports = [address.split("://")[1] for address in addresses if not address.startswith("http")]
    tries = [(f"tcp://{port}", nothing) for port in ports]
    tries += [(f"tls://{port}", certificate) for port in ports]
    found = await asyncio.gather(*(answers(*one) for one in tries))
    open_ = [address for (address, _), answered in zip(tries, found, strict=True) if answered]
    open_ += [address for address in addresses if address.startswith("http") and shows(address)]
    if os.access(folder, os.R_OK | os.X_OK):
        open_.append(folder)
    print(json.dumps(open_))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), str(Path(sys.argv[2])), sys.argv[3:]))
