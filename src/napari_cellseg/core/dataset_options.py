"""How a data set is split."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import Range, check_options, option

#: What images may be grouped by without a look at their attributes.
BY_GROUP, BY_IMAGE = "group", "image"
ANY_TEXT = r"(?s).*"


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How a data set is split. See each field's `Range` for its meaning."""

    val: float = option(
        0.1, Range(0, 1, 0.05, help="Share of the groups for validation, about.")
    )
    test: float = option(
        0.1, Range(0, 1, 0.05, help="Share of the groups for the test, about.")
    )
    by: str = option(
        BY_GROUP,
        Range(
            pattern=ANY_TEXT,
            help="What stays together: group (field, well or patient, as the import found "
            "it), image, or an attribute such as well.",
        ),
    )
    pattern: str = option(
        "",
        Range(
            pattern=ANY_TEXT,
            help=r"Regular expression whose part in brackets, found in the names, is what "
            r"stays together, such as '(patient\d+)_'.",
        ),
    )
    salt: str = option(
        "", Range(pattern=ANY_TEXT, help="Another text gives another split.")
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.val + self.test >= 1:
            raise OptionsError(
                f"The shares for validation ({self.val}) and test ({self.test}) leave "
                "nothing to train on; make them smaller."
            )
