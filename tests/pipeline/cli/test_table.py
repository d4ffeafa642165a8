from pipeline.cli.table import aligned


def test_columns_start_below_each_other_and_no_line_ends_in_spaces() -> None:
    assert aligned([["score", "value", ""], ["fid", "12.5", "x"], ["kid", "", ""]]) == [
        "score  value",
        "fid    12.5   x",
        "kid",
    ]
