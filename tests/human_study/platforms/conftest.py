"""Plain tables of answers as files."""

import pandas as pd
import pytest


@pytest.fixture
def plain_table(tmp_path):
    """plain_table(frame, name, options of to_csv) -> the written file."""
    def write(frame: pd.DataFrame, name: str = "answers.csv", **how):
        frame.to_csv(tmp_path / name, index=False, **how)
        return tmp_path / name
    return write
