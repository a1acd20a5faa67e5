"""Where models run, as a person names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: Where the token of a lab server is looked for.
TOKEN_VARIABLE = "CELLSEG_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class RunPlace:
    """This computer, a lab server, or an endpoint of SageMaker.

    Attributes
    ----------
    address : str
        Of a lab server, such as ``"http://lab-gpu:8080"``; "" if it is none.
    token : str
        What the lab server was started with; "" if it has none.
    endpoint : str
        Name of an endpoint; "" if it is none.
    profile, region : str
        Of the endpoint; "" takes what is set up on this computer.
    """

    address: str = ""
    token: str = field(default="", repr=False)
    endpoint: str = ""
    profile: str = ""
    region: str = ""

    @property
    def is_here(self) -> bool:
        """True if it is this computer."""
        return not (self.address or self.endpoint)

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        if self.endpoint:
            return f"the endpoint '{self.endpoint}'"
        return self.address or "this computer"


HERE = RunPlace()


def server_of(address: str) -> str:
    """Return what makes a server another one: scheme, host and port; "" for no address.

    A token belongs to it, whatever path follows.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # not yet typed to its end
        return address
    if not parts.hostname:
        return ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port or usual}"
