"""The last section of every notebook: a table of checks, or an error that names those not passed."""

from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.lab.errors import LabError
from helpers.show.frames import neat


def require(checks: Mapping[str, bool]) -> Styler:
    """A table of the checks.

    Raises:
        LabError: one did not pass.
    """
    failed = [name for name, passed in checks.items() if not passed]
    if failed:
        raise LabError(
            f"checks that did not pass: {'; '.join(failed)}.",
            "all checks of the notebook passed",
            "read the cells above for the cause; the stage is not marked as done.",
        )
    return neat(pd.DataFrame({"check": list(checks), "passed": "yes"}))
