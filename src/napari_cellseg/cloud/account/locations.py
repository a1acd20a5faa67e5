"""Places in S3, as text and as bucket and key."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.cloud.account.place import split_uri

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key in it.

    Attributes
    ----------
    bucket, key : str
        `key` may end with a slash, or be "" for the whole bucket.
    """

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    def below(self, name: str) -> Place:
        """Return a place in this folder."""
        folder = self.key.rstrip("/")
        return Place(self.bucket, f"{folder}/{name}" if folder else name)

    def beside(self, name: str) -> Place:
        """Return the folder of another name beside this one."""
        parent = self.key.rstrip("/").rpartition("/")[0]
        return Place(self.bucket, f"{parent}/{name}" if parent else name)

    def holds(self, other: Place) -> bool:
        """Say whether another place lies in this folder."""
        folder = self.key.rstrip("/")
        return self.bucket == other.bucket and (
            not folder or other.key.startswith(f"{folder}/")
        )


def place_of(location: str) -> Place:
    """Return the place that ``s3://bucket/key`` names; raises `OptionsError` if none."""
    return Place(*split_uri(location))
