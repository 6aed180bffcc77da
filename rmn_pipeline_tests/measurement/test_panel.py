from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.measurement import MeasurementError, PanelError, panel_from_table, read_panel

DAYS = [date(2024, 1, 1) + timedelta(days=at) for at in range(40)]


def _write(path, days, row, header="location,date,Y", bom=True, delimiter=","):
    lines = [header.replace(",", delimiter)]
    lines += [delimiter.join(row(geo, day)) for geo in ("lyon", "paris") for day in days]
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + "\r\n".join(lines).encode())
    return path


def _value(geo, day):
    return 100.0 * (1 + (geo == "paris")) + day.day


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [True, False])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d"])
def test_files_of_geo_tools_are_read(tmp_path, delimiter, bom, form):
    path = _write(
        tmp_path / "geo.csv",
        DAYS,
        lambda geo, day: (geo, day.strftime(form), str(_value(geo, day))),
        bom=bom,
        delimiter=delimiter,
    )
    panel = read_panel(path)
    assert panel.geos == ("lyon", "paris")
    assert panel.dates == tuple(DAYS)
    assert panel.value[1, 3] == _value("paris", DAYS[3])


def test_days_that_fit_both_orders_are_told_by_their_sequence(tmp_path):
    first_twelve = DAYS[:12]
    path = _write(tmp_path / "geo.csv", first_twelve, lambda geo, day: (geo, day.strftime("%d/%m/%Y"), "1"))
    assert read_panel(path).dates == tuple(first_twelve)


def test_dates_that_cannot_be_told_are_refused_until_the_order_is_given(tmp_path):
    path = _write(tmp_path / "geo.csv", [date(2024, 1, 1)], lambda geo, day: (geo, "01/01/2024", "1"))
    with pytest.raises(PanelError, match="date_order"):
        read_panel(path)
    assert read_panel(path, date_order="day_first").dates == (date(2024, 1, 1),)


def test_a_bad_number_names_its_line(tmp_path):
    path = tmp_path / "geo.csv"
    path.write_text("geo,date,sales\na,2024-01-01,1\na,2024-01-02,many\n")
    with pytest.raises(PanelError, match="line 3: 'many'"):
        read_panel(path)


def test_a_missing_column_names_what_the_file_has(tmp_path):
    path = tmp_path / "geo.csv"
    path.write_text("place,date,sales\na,2024-01-01,1\n")
    with pytest.raises(PanelError, match=r"no column for 'geo'.*place"):
        read_panel(path)
    assert read_panel(path, columns={"geo": "place"}).geos == ("a",)


def test_a_repeated_cell_is_refused():
    table = pl.DataFrame({"geo": ["a", "a"], "date": [DAYS[0]] * 2, "value": [1.0, 2.0]})
    with pytest.raises(PanelError, match="2 rows on 2024-01-01"):
        panel_from_table(table)


def _gappy(gaps):
    rows = [(f"g{at}", day, (at + 1.0) * (1 + day.day)) for at in range(4) for day in DAYS]
    table = pl.DataFrame(rows, schema=["geo", "date", "value"], orient="row")
    for geo, day in gaps:
        table = table.filter(~((pl.col("geo") == geo) & (pl.col("date") == day)))
    return panel_from_table(table)


def test_missing_cells_stay_unknown_and_are_filled_from_the_other_geos():
    panel = _gappy([("g1", DAYS[5]), ("g2", DAYS[6])])
    assert panel.missing_cells == 2
    full = panel.completed()
    # The process is level × day exactly, so what is filled in is what was taken out.
    np.testing.assert_allclose(full.value[1, 5], 2.0 * (1 + DAYS[5].day), rtol=1e-6)
    assert "2 missing cells of 2 geos" in full.notes[-1]
    assert panel.completed("zero").value[1, 5] == 0.0


def test_too_many_missing_cells_are_refused_by_name():
    panel = _gappy([("g1", day) for day in DAYS[:20]])
    with pytest.raises(MeasurementError, match="geo 'g1' misses 20 of 40"):
        panel.completed()


def test_a_day_that_nobody_has_is_left_out_with_a_note():
    panel = _gappy([(f"g{at}", DAYS[7]) for at in range(4)])
    assert DAYS[7] not in panel.dates
    assert "missing for every geo" in panel.notes[0]


def test_weekly_tables_keep_their_step():
    table = pl.DataFrame({"geo": ["a"] * 5, "date": DAYS[::7][:5], "value": [1.0] * 5})
    assert panel_from_table(table).step_days == 7
