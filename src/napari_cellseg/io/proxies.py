"""Which requests go through a proxy of the institute.

Proxies are those of the environment (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``) or of
the system's settings. Only what is encrypted from here to the server goes through one: the
proxy then sees a host's name and no more. A request to ``http://`` would hand it token and
image in clear; such servers stand in one's own network and are asked directly. This
computer is never asked through a proxy.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(address: str) -> str:
    """Return the proxy that requests to an address go through, "" where it is asked itself.

    Parameters
    ----------
    address : str
        Such as ``"https://lab-gpu:8443"``.

    Returns
    -------
    str
        Address of the proxy, which may hold a name and a password: not to be shown.
    """
    return "" if goes_directly(address) else _set_for("https")


def goes_directly(address: str) -> bool:
    """Say whether an address is never asked through a proxy, whatever is set."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "https" or is_this_computer(host):
        return True
    port = f":{parts.port}" if parts.port else ""
    return bool(proxy_bypass(f"{host}{port}"))


def is_proxy_ignored(address: str) -> bool:
    """Say whether a proxy is set that is passed by because an address is ``http://``."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "http" or is_this_computer(host) or proxy_bypass(host):
        return False
    return bool(_set_for("http") or _set_for("https"))


def is_this_computer(host: str) -> bool:
    """Return True for ``localhost`` and the addresses that mean the same."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _set_for(scheme: str) -> str:
    found = getproxies()
    proxy = found.get(scheme) or found.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
