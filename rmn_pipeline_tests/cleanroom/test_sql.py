from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.cleanroom import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.errors import ERROR_TEXTS
from rmn_pipeline.cleanroom.request import Domains, Question, understand
from rmn_pipeline_tests.cleanroom.sample import PERIOD, SKUS, sample_policy

POLICY = sample_policy()
DOMAINS = Domains.of(POLICY, SKUS)
WEEKLY = """
    SELECT date_trunc('week', date) AS week, placement_type,
        COUNT(DISTINCT customer_id) AS customers, SUM(revenue) AS revenue
    FROM events
    WHERE date BETWEEN '2026-01-05' AND '2026-02-01' AND sku_id IN ('00085021001007', '00085021001106')
    GROUP BY week, placement_type
"""
# Each says the same as WEEKLY.
REWRITES = [
    """select sum(revenue), count(distinct customer_id), placement_type, week from events
       where sku_id in ('00085021001106', '00085021001007') and date >= '2026-01-05' and date <= '2026-02-01'
       group by all""",
    """SELECT e.PLACEMENT_TYPE AS place, DATE_TRUNC('WEEK', e.date) AS w, SUM(e."Revenue") AS money,
       COUNT(DISTINCT e.customer_id) AS people FROM alpha.events AS e
       WHERE (e.date > DATE '2026-01-04') AND (('2026-02-02'::DATE > e.date)
       AND e.sku_id IN ('00085021001106', '00085021001106', '00085021001007')) GROUP BY 1, 2 ORDER BY 3 DESC, place;""",
    """SELECT week, placement_type, SUM(ALL revenue), COUNT(DISTINCT events.customer_id) FROM "EVENTS"
       WHERE sku_id IN ('00085021001106', '00085021001007') AND sku_id IN ('00085021001007', '00085021001106')
       AND date BETWEEN CAST('2026-01-05' AS DATE) AND '2026-02-01' AND date <= '2030-01-01'
       AND placement_type IN ('home', 'search') GROUP BY placement_type, date_trunc('week', date)
       ORDER BY SUM(revenue), week ASC""",
]


def read(request: object, **changes: Any) -> Question:
    policy = sample_policy(**changes) if changes else POLICY
    return understand(request, policy, DOMAINS)


def refusal(sql: str) -> ErrorCode:
    with pytest.raises(CleanRoomError) as raised:
        read(sql)
    assert str(raised.value) == f"{raised.value.code.value}: {ERROR_TEXTS[raised.value.code]}"
    assert raised.value.__cause__ is None
    return raised.value.code


def test_a_select_is_the_structured_request_that_it_says() -> None:
    structured = {
        "dimensions": ["week", "placement_type"],
        "metrics": ["customers", "revenue"],
        "filters": PERIOD | {"sku_id": SKUS[:2]},
    }
    assert read(WEEKLY).permitted == read(structured).permitted
    assert read({"sql": WEEKLY, "epsilon": 0.5}).permitted == read(structured | {"epsilon": 0.5}).permitted


@pytest.mark.parametrize("rewrite", REWRITES)
def test_equal_rewrites_share_one_canonical_form(rewrite: str) -> None:
    assert read(rewrite).permitted.canonical_json() == read(WEEKLY).permitted.canonical_json()


def test_labels_and_order_are_layout_and_not_part_of_the_request() -> None:
    layout = read(REWRITES[1]).layout
    assert layout is not None
    assert layout.columns == (
        ("placement_type", "place"),
        ("week", "w"),
        ("revenue", "money"),
        ("customers", "people"),
    )
    assert layout.order == (("revenue", True), ("placement_type", False))


@pytest.mark.parametrize(
    ("where", "first", "last"),
    [
        ("date = '2026-01-07'", "2026-01-07", "2026-01-07"),
        ("'2026-01-07' = date", "2026-01-07", "2026-01-07"),
        ("date >= '2026-12-30'", "2026-12-30", "2026-12-31"),
        ("date < '2026-01-03'", "2026-01-01", "2026-01-02"),
        ("date > '2026-01-03' AND date < '2026-01-05'", "2026-01-04", "2026-01-04"),
        (
            "date BETWEEN '2026-01-03' AND '2026-01-20' AND date BETWEEN '2026-01-10' AND '2026-02-20'",
            "2026-01-10",
            "2026-01-20",
        ),
    ],
)
def test_date_conditions_become_one_range_of_whole_days(where: str, first: str, last: str) -> None:
    permitted = read(f"SELECT SUM(cost) FROM events WHERE {where}").permitted
    assert (permitted.first_day.isoformat(), permitted.last_day.isoformat()) == (first, last)


def test_conditions_on_one_dimension_intersect() -> None:
    sql = (
        "SELECT SUM(cost) FROM events WHERE sku_id IN ('00085021001007', '00085021001106') "
        "AND sku_id = '00085021001106'"
    )
    assert read(sql).permitted.members == (("sku_id", ("00085021001106",)),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT {name}, SUM(cost) FROM events GROUP BY {name}",
        "SELECT {name}, SUM(cost) FROM events GROUP BY 1",
        "SELECT {name}, SUM(cost) FROM events GROUP BY ALL",
        "SELECT SUM({name}) FROM events",
        "SELECT placement_type, SUM({name}) AS x FROM events GROUP BY placement_type",
        "SELECT events.{name}, SUM(cost) FROM events GROUP BY events.{name}",
    ],
)
def test_hidden_unknown_and_closed_columns_look_alike(sql: str) -> None:
    names = ["margin", "price", "customer_id", "no_such_column", "revenue_cents", "brand_id", '"stock_level"']
    assert {refusal(sql.format(name=name)) for name in names} == {ErrorCode.COLUMN_NOT_PERMITTED}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(cost) FROM events WHERE {name} = '1'",
        "SELECT SUM(cost) FROM events WHERE {name} IN ('1', '2')",
        "SELECT SUM(cost) FROM events WHERE {name} > '2026-01-01'",
        "SELECT SUM(cost) FROM events WHERE {name} BETWEEN '2026-01-01' AND '2026-01-02'",
    ],
)
def test_hidden_and_unknown_filters_look_alike(sql: str) -> None:
    names = ["margin", "customer_id", "no_such_column", "audience_id", "revenue"]
    assert {refusal(sql.format(name=name)) for name in names} == {ErrorCode.FILTER_NOT_PERMITTED}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type ORDER BY {name}",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type, {name}",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type HAVING {name} > 3",
        "SELECT {name} FROM events",
        "SELECT SUM(cost) FROM {name}",
        "SELECT SUM(cost) FROM {name}.events",
    ],
)
def test_hidden_and_unknown_names_elsewhere_look_alike(sql: str) -> None:
    names = ["margin", "customer_id", "no_such_column", "sku_id", "log", "entries", "information_schema"]
    assert {refusal(sql.format(name=name)) for name in names} == {ErrorCode.QUERY_SHAPE_NOT_PERMITTED}


@pytest.mark.parametrize(
    "function",
    [
        "MIN(cost)",
        "AVG(cost)",
        "MEDIAN(cost)",
        "COUNT(*)",
        "COUNT(1)",
        "COUNT(customer_id)",
        "COUNT(DISTINCT sku_id)",
        "COUNT(DISTINCT margin)",
        "COUNT(DISTINCT customer_id, sku_id)",
        "APPROX_COUNT_DISTINCT(customer_id)",
        "SUM(DISTINCT cost)",
        "SUM(cost + 1)",
        "SUM(cost) + 1",
        "SUM(cost) / SUM(revenue)",
        "SUM(CASE WHEN margin > 1 THEN cost END)",
        "SUM(cost) FILTER (WHERE customer_id = 7)",
        "LIST(customer_id)",
        "UPPER(placement_type)",
        "date_trunc('month', date)",
        "date_trunc('week', other)",
        "date_trunc('week', date + 1)",
        "COLUMNS('^margin$')",
        "getenv('HOME')",
        "nextval('x')",
        "CAST(cost AS VARCHAR)",
        "placement_type || sku_id",
        "1",
        "NULL",
        "'x'",
        "{'a': cost}",
        "[cost]",
    ],
)
def test_functions_other_than_the_two_aggregates_are_refused(function: str) -> None:
    assert refusal(f"SELECT {function} FROM events") is ErrorCode.FUNCTION_NOT_PERMITTED


@pytest.mark.parametrize(
    "condition",
    [
        "placement_type = 'search' OR placement_type = 'home'",
        "NOT placement_type = 'search'",
        "placement_type <> 'search'",
        "placement_type NOT IN ('search')",
        "placement_type LIKE 's%'",
        "placement_type IS NULL",
        "placement_type = NULL",
        "placement_type = 3",
        "placement_type IN (3)",
        "placement_type IN ('search', 'no such value')",
        "placement_type = 'search' AND placement_type = 'home'",
        "placement_type = placement_type",
        "placement_type > 'home'",
        "placement_type IN (SELECT 'search')",
        "placement_type = ANY (['search'])",
        "placement_type = $$search$$",
        "placement_type = E'search'",
        "(placement_type, sku_id) = ('search', '1')",
        "1 = 1",
        "TRUE",
        "date",
        "date = 20260105",
        "date = '2026-1-5'",
        "date = '2026-01-05 00:00:00'",
        "date = '2026-02-30'",
        "date IN ('2026-01-05')",
        "date <> '2026-01-05'",
        "date NOT BETWEEN '2026-01-05' AND '2026-01-06'",
        "date BETWEEN SYMMETRIC '2026-01-06' AND '2026-01-05'",
        "date >= '2026-01-05'::TIMESTAMP",
        "date >= TRY_CAST('2026-01-05' AS DATE)",
        "date >= '2025-12-31'",
        "date <= '9999-12-31'",
        "date > '9999-12-31'",
        "date BETWEEN '2026-01-06' AND '2026-01-05'",
        "week = '2026-01-05'",
        "cost = '1'",
        "?",
    ],
)
def test_other_filters_are_refused(condition: str) -> None:
    assert refusal(f"SELECT SUM(cost) FROM events WHERE {condition}") is ErrorCode.FILTER_NOT_PERMITTED


@pytest.mark.parametrize(
    "condition",
    [
        "UPPER(placement_type) = 'SEARCH'",
        "date >= now()",
        "hash(sku_id) = '1'",
        "random() < 1",
        "EXISTS (SELECT 1)",
        "placement_type = 'sea' 'rch'",
    ],
)
def test_functions_in_filters_are_called_functions(condition: str) -> None:
    assert refusal(f"SELECT SUM(cost) FROM events WHERE {condition}") is ErrorCode.FUNCTION_NOT_PERMITTED


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM events",
        "SELECT events FROM events",
        "SELECT e FROM events e",
        "SELECT COUNT(DISTINCT customer_id) FROM events LIMIT 1",
        "SELECT SUM(cost) FROM events OFFSET 1",
        "SELECT DISTINCT placement_type FROM events",
        "SELECT DISTINCT ON (placement_type) placement_type, SUM(cost) FROM events GROUP BY 1",
        "SELECT SUM(cost) FROM events, events",
        "SELECT SUM(cost) FROM events JOIN events e ON true",
        "SELECT SUM(cost) FROM events CROSS JOIN range(3)",
        "SELECT SUM(cost) FROM (SELECT * FROM events)",
        "SELECT SUM(cost) FROM read_csv('x.csv')",
        "SELECT SUM(cost) FROM 'x.parquet'",
        "SELECT SUM(cost) FROM events TABLESAMPLE 10%",
        "SELECT SUM(cost) FROM events e(a, b)",
        "SELECT SUM(cost) FROM events AS cost",
        "SELECT SUM(cost)",
        "SELECT",
        ";",
        "SELECT SUM(cost) FROM events GROUP BY",
        "SELECT SUM(cost) FROM events GROUP BY ()",
        "SELECT SUM(cost) FROM main.events",
        "SELECT SUM(cost) FROM memory.alpha.events",
        "SELECT (SELECT SUM(cost) FROM events) FROM events",
        "SELECT SUM(cost) OVER () FROM events",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type QUALIFY row_number() OVER () = 1",
        "SELECT placement_type, SUM(cost) FROM events",
        "SELECT SUM(cost) FROM events GROUP BY placement_type",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY ROLLUP (placement_type)",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY CUBE (placement_type)",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY GROUPING SETS ((placement_type), ())",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY 2",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY 3",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY 'placement_type'",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type HAVING SUM(cost) > 3",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type ORDER BY SUM(revenue)",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type ORDER BY 3",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type ORDER BY ALL",
        "SELECT SUM(cost) AS revenue FROM events",
        "SELECT SUM(cost) AS customer_id FROM events",
        "SELECT SUM(cost) AS a, SUM(revenue) AS A FROM events",
        "SELECT SUM(cost), SUM(cost) AS again FROM events",
        "SELECT SUM(cost) AS a, SUM(revenue) AS a_error95 FROM events",
        'SELECT SUM(cost) AS "a b" FROM events',
        "SELECT SUM(cost) FROM events UNION SELECT SUM(cost) FROM events",
        "SELECT SUM(cost) FROM events EXCEPT SELECT SUM(cost) FROM events",
        "WITH x AS (SELECT 1) SELECT SUM(cost) FROM events",
        "SELECT SUM(cost) FROM events; SELECT 1",
        "SELECT SUM(cost) FROM events; DROP TABLE entries",
        "SELECT SUM(cost) FROM events -- all of it",
        "SELECT SUM(cost) /* , margin */ FROM events",
        "/* why */ SELECT SUM(cost) FROM events",
        "SELECT /*+ PARALLEL */ SUM(cost) FROM events",
        "SELECT SUM(cost) FROM events; -- done",
        "SELECT SUM(cost) INTO x FROM events",
        "SELECT SUM(cost) FROM events FOR UPDATE",
        "FROM events SELECT SUM(cost)",
        "FROM events",
        "(SELECT SUM(cost) FROM events)",
        "EXPLAIN SELECT SUM(cost) FROM events",
        "SUMMARIZE events",
        "DESCRIBE events",
        "PIVOT events ON sku_id USING SUM(cost)",
        "COPY events TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SET enable_external_access = true",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO events VALUES (1)",
        "UPDATE events SET cost = 1",
        "DELETE FROM events",
        "CALL pragma_version()",
    ],
)
def test_other_shapes_are_refused(sql: str) -> None:
    assert refusal(sql) is ErrorCode.QUERY_SHAPE_NOT_PERMITTED


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "   ",
        "-- nothing",
        "SELECT SUM(cost FROM events",
        "SELECT SUM(cost) FROM events WHERE",
        "SELECT SUM(cost) AS 'unfinished FROM events",
        "SELECT FROM WHERE",
        "SELECT SUM(cost) FROM events WHERE placement_type IN ('search',, 'home')",
        "SELECT SUM(cost) FROM events WHERE placement_type IN ('search',)",
        "SELECT SUM(cost), FROM events",
        "SELECT , SUM(cost) FROM events",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type,",
        "SELECT placement_type, SUM(cost) FROM events GROUP BY placement_type ORDER BY 1,",
        "SELECT " + "NOT " * 5000 + "cost FROM events",
        "SELECT " + "- " * 5000 + "cost FROM events",
    ],
)
def test_what_cannot_be_parsed_is_invalid(sql: str) -> None:
    assert refusal(sql) is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "cost" + ")" * 5000 + " FROM events",
        "SELECT SUM(cost) FROM events WHERE " + "(" * 20 + "date = '2026-01-05'" + ")" * 20,
        "SELECT SUM(cost) FROM events WHERE " + " AND ".join(["date = '2026-01-05'"] * 6000),
        "SELECT SUM(cost) FROM events WHERE placement_type = '" + "x" * 200_000 + "'",
    ],
)
def test_towers_and_floods_are_refused_before_they_are_parsed(sql: str) -> None:
    assert refusal(sql) is ErrorCode.QUERY_SHAPE_NOT_PERMITTED


def test_a_long_conjunction_within_the_limits_is_read() -> None:
    sql = "SELECT SUM(cost) FROM events WHERE " + " AND ".join(["date = '2026-01-05'"] * 1500)
    assert read(sql).permitted.first_day == read(sql).permitted.last_day


@pytest.mark.parametrize(
    "request_",
    [
        {"sql": "SELECT SUM(cost) FROM events", "metrics": ["cost"]},
        {"sql": "SELECT SUM(cost) FROM events", "limit": 3},
    ],
)
def test_sql_takes_nothing_beside_it_but_epsilon(request_: object) -> None:
    with pytest.raises(CleanRoomError) as raised:
        read(request_)
    assert raised.value.code is ErrorCode.QUERY_SHAPE_NOT_PERMITTED


@pytest.mark.parametrize(
    "request_", [{"sql": 7}, {"sql": None}, {"sql": "SELECT SUM(cost) FROM events", "epsilon": 9}]
)
def test_malformed_sql_requests_are_invalid(request_: object) -> None:
    with pytest.raises(CleanRoomError) as raised:
        read(request_)
    assert raised.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(cost) FROM events WHERE date >= CA\u017fT('2026-01-20' AS DATE)",
        "SELECT SUM(cost) a\u017f money FROM events",
        "SELECT \u017fUM(cost) FROM events",
        "SELECT SUM(cost) FROM events WHERE placement_type IN ('home', 'h\0me')",
        "SELECT SUM(cost) FROM events\x0b",
    ],
)
def test_what_the_parser_reads_and_no_engine_does_is_invalid(sql: str) -> None:
    assert refusal(sql) is ErrorCode.INVALID_REQUEST


def test_names_that_only_look_like_ascii_are_not_folded_into_it() -> None:
    # KELVIN SIGN and LATIN SMALL LETTER LONG S become k and s in lower case.
    assert refusal("SELECT wee\u212a, SUM(cost) FROM events GROUP BY 1") is ErrorCode.COLUMN_NOT_PERMITTED
    assert refusal("SELECT SUM(co\u017ft) FROM events") is ErrorCode.COLUMN_NOT_PERMITTED


FRAGMENT_TEXT = (
    "SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT SUM( COUNT( DISTINCT customer_id margin placement_type sku_id date "
    "events , ( ) * ; . :: ' \" -- /* */ = >= < IN BETWEEN AND OR NOT NULL 'search' '2026-01-05' 1 AS x ALL UNION "
    "date_trunc( 'week' cost revenue [ ] { } ? $1 \\ \x00 \ud800 é CASE WHEN END OVER FILTER"
)
FRAGMENTS = FRAGMENT_TEXT.split(" ")


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25), st.booleans())
def test_any_text_is_answered_with_a_permitted_request_or_a_known_code(
    parts: list[str], begins: bool
) -> None:
    text = " ".join(["SELECT", *parts] if begins else parts)
    try:
        question = read(text)
    except CleanRoomError as refused:
        assert refused.code in ErrorCode
    else:
        assert set(question.permitted.metrics) <= set(POLICY.allowed_metrics)
        assert set(question.permitted.dimensions) <= set(POLICY.allowed_dimensions)
