"""Endpoints that a window made or used: what they cost, and that they are not forgotten."""

from __future__ import annotations

from napari_cellseg.cloud.account.costs import read_prices
from napari_cellseg.cloud.account.place import now_utc
from napari_cellseg.cloud.sagemaker.inventory import ENDPOINT, Running
from napari_cellseg.core.cloud_options import AccountOptions
from napari_cellseg.io.used_endpoints import (
    UsedEndpoint,
    forget,
    remember,
    used_endpoints,
)


class UsedEndpoints:
    """What the window answers for, beside what AWS said last."""

    def __init__(self) -> None:
        self._used: set[UsedEndpoint] = set()
        self._account = AccountOptions()
        self._there: tuple[Running, ...] | None = None

    def use(self, account: AccountOptions, name: str) -> None:
        """Note an endpoint before anything can happen to this window."""
        one = used(account, name)
        self._used.add(one)
        remember(one)

    def names(self) -> set[str]:
        """Return the names of what is told of whoever made it."""
        return {one.name for one in (*self._used, *used_endpoints())}

    def take(self, account: AccountOptions, there: tuple[Running, ...] | None) -> None:
        """Take what runs in an account, None where that is not known.

        What was used before and still costs money is answered for from now on; what no
        longer does is forgotten.
        """
        self._account, self._there = account, there
        if there is None:
            return
        costly = {used(account, each.name) for each in self._costly()}
        before = {one for one in used_endpoints() if self._is_seen(one)}
        self._used |= before & costly
        forget(before - costly)

    def running(self) -> list[UsedEndpoint]:
        """Return what would go on without the window, as far as is known."""
        return [
            used(self._account, each.name) for each in self._mine()
        ] + self._unseen()

    def left_words(self) -> list[str]:
        """Return a sentence on each thing that would go on without the window."""
        prices, now = read_prices(), now_utc()
        words = [each.sentence(prices, now) for each in self._mine()]
        return words + [one.sentence for one in self._unseen()]

    def cost_words(self) -> list[str]:
        """Return since when all that is or was used here runs, and its cost; for the dock."""
        prices, now = read_prices(), now_utc()
        words = [
            f"{each.kind} {each.name}: {each.cost_words(prices, now)}"
            for each in self._mine()
        ]
        before = [one for one in used_endpoints() if not self._is_seen(one)]
        unseen = dict.fromkeys([*self._unseen(), *before])
        return words + [one.sentence for one in unseen]

    def _costly(self) -> list[Running]:
        prices = read_prices()
        return [
            each
            for each in self._there or ()
            if each.kind == ENDPOINT and each.hourly(prices) != 0
        ]

    def _mine(self) -> list[Running]:
        """Return what costs money now and was made or used here."""
        return [
            each
            for each in self._costly()
            if used(self._account, each.name) in self._used
        ]

    def _is_seen(self, one: UsedEndpoint) -> bool:
        """Say whether the last list would name an endpoint if it ran."""
        return self._there is not None and one == used(self._account, one.name)

    def _unseen(self) -> list[UsedEndpoint]:
        """Return what was not, or may not be, looked at."""
        unseen = (one for one in self._used if not self._is_seen(one))
        return sorted(unseen, key=lambda one: one.name)


def used(account: AccountOptions, name: str) -> UsedEndpoint:
    """Return an endpoint as it is remembered."""
    return UsedEndpoint(name, account.profile, account.region)
