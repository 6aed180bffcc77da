"""A small probabilistic grammar of SQL, for statements that should be refused or come close to it.

A statement is a permitted question with some of its parts replaced by productions of the grammar, or text in which
characters were lost, doubled or swapped.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from rmn_pipeline.cleanroom.attacks.statements import Question, render

#: Productions: `<name>` stands for any one of the alternatives of that name.
GRAMMAR: Mapping[str, Sequence[str]] = {
    "column": (
        "customer_id", "margin", "price", "customer_hash", "brand_id", "revenue", "cost", "sku_id",
        "placement_type",
        "audience_id", "date", "week", "no_such", "rowid", "events.customer_id", '"margin"', "events", "*",
        "events.*",
    ),
    "number": ("0", "1", "7", "900000007", "1e9", "-1", "0.5", "NULL"),
    "text": ("'search'", "'offsite'", "'sku00001'", "'sku00005'", "'x'", "''", "'2026-01-05'", "$$home$$"),
    "value": ("<number>", "<text>", "<column>"),
    "operator": ("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "LIKE", "~~", "||", "+", "%"),
    "function": (
        "UPPER", "hash", "md5", "length", "abs", "date_part", "strftime", "coalesce", "nullif", "greatest",
        "getenv",
        "current_setting", "pragma_version", "error", "typeof", "random",
    ),
    "aggregate": (
        "SUM", "MIN", "MAX", "AVG", "COUNT", "LIST", "STRING_AGG", "ANY_VALUE", "FIRST", "MEDIAN", "MODE", "STDDEV",
        "APPROX_COUNT_DISTINCT", "ARG_MAX", "HISTOGRAM", "QUANTILE_CONT",
    ),
    "expression": (
        "<column>", "<aggregate>(<column>)", "<aggregate>(DISTINCT <column>)", "<function>(<column>)", "COUNT(*)",
        "<aggregate>(<column> <operator> <value>)", "<aggregate>(<column>) <operator> <value>", "<value>",
        "CASE WHEN <predicate> THEN <value> ELSE <value> END", "<aggregate>(<column>) FILTER (WHERE <predicate>)",
        "<aggregate>(<column>) OVER (PARTITION BY <column>)", "(SELECT <aggregate>(<column>) FROM events)",
        "COLUMNS('^m.*n$')", "COLUMNS(*)", "{'a': <column>}", "[<column>]", "<column>::VARCHAR", "ROW(<column>)",
        "SUM(CASE WHEN <predicate> THEN cost END)", "date_trunc('month', date)", "date_trunc('week', <column>)",
        "COUNT(DISTINCT <column>)", "SUM(<column>)", "SUM(ALL <column>)", "list(<column>)[1]", "EXISTS (<query>)",
        "ARG_MIN(<column>, <column>)", "GROUPING(<column>)", "ROW_NUMBER() OVER ()", "UNNEST([1, 2])",
    ),
    "predicate": (
        "<column> <operator> <value>", "<column> IN (<text>, <text>)", "<column> NOT IN (<text>)",
        "NOT <predicate>",
        "<column> BETWEEN <value> AND <value>", "<predicate> OR <predicate>", "<column> IS NULL", "TRUE", "1 = 1",
        "<function>(<column>) = <value>", "EXISTS (<query>)", "<column> = (<query>)", "<column> IN (<query>)",
        "customer_id = 900000007", "margin > 700000000", "sku_id = 'sku00005' AND placement_type = 'offsite'",
        "(<column>, <column>) = (<value>, <value>)", "<column> LIKE 'o%'", "random() < 0.5", "date <> '2026-01-05'",
        "date = '2026-01-05' OR date = '2026-01-07'", "<column> = ANY (['search'])",
    ),
    "source": (
        "events", "events e", "target.events", "main.events", "events, events e2",
        "events JOIN events e2 USING (date)",
        "(SELECT * FROM events)", "(SELECT * FROM events WHERE <predicate>) AS events", "events TABLESAMPLE 50%",
        "read_csv('/nowhere/x.csv')", "'/nowhere/x.parquet'", "information_schema.columns", "duckdb_tables()",
        "entries",
        "log", "range(3)", "(VALUES (1)) t(x)", "events AS cost", "events CROSS JOIN range(2)",
        "events NATURAL JOIN events",
        "sqlite_master", "folded", "people", "events AT (VERSION => 1)", "events e(customer_id, margin)",
    ),
    "tail": (
        "LIMIT 1", "LIMIT 10 OFFSET 3", "HAVING <predicate>", "HAVING COUNT(DISTINCT customer_id) < 100",
        "QUALIFY TRUE",
        "ORDER BY <expression>", "ORDER BY <column> LIMIT 3", "UNION ALL <query>", "UNION <query>",
        "EXCEPT <query>",
        "INTERSECT <query>", "USING SAMPLE 3", "WINDOW w AS (PARTITION BY <column>)", "FOR UPDATE", "; <query>",
        "-- <column>", "/* <column> */", "; DROP TABLE events", "OFFSET 0", "FETCH FIRST 1 ROW ONLY",
        "ORDER BY ALL",
    ),
    "group": (
        "<column>", "ALL", "1", "1, 2", "99", "ROLLUP (<column>)", "CUBE (<column>, <column>)",
        "<expression>", "()",
        "GROUPING SETS ((<column>), ())", "<column>, customer_id", "ALL, <column>", "'<column>'",
    ),
    "query": (
        "SELECT <expression> FROM events", "SELECT <expression>, <expression> FROM <source> WHERE <predicate>",
        "SELECT <column> FROM events LIMIT 3", "SELECT * FROM <source> LIMIT 5", "SELECT 1",
        "SELECT <expression> FROM <source> GROUP BY <group>", "SELECT DISTINCT <column> FROM events",
    ),
    "statement": (
        "<query>", "<query> <tail>", "WITH x AS (<query>) SELECT * FROM x", "FROM events",
        "FROM events SELECT <expression>",
        "SUMMARIZE events", "DESCRIBE events", "PIVOT events ON placement_type USING COUNT(*)", "(<query>)",
        "VALUES (1)",
        "SELECT e FROM events e LIMIT 3", "SELECT DISTINCT ON (<column>) <column>, margin FROM events",
        "TABLE events",
        "COPY events TO '/nowhere/x.csv'", "ATTACH '/nowhere/x.db'", "INSTALL httpfs", "SET threads = 1",
        "CALL <query>",
        "PRAGMA table_info('events')", "EXPLAIN ANALYZE <query>", "INSERT INTO events <query>",
        "DELETE FROM events",
        "UPDATE events SET cost = 0 WHERE <predicate>", "CREATE TABLE x AS <query>", "SHOW TABLES", "EXECUTE x(1)",
        "SELECT <expression> AS revenue, <expression> AS cost FROM events GROUP BY ALL",
    ),
}  # fmt: skip
MAX_DEPTH = 6
_REFERENCE = re.compile(r"<(\w+)>")
_SIMPLEST = {"query": "SELECT 1", "predicate": "TRUE", "expression": "cost", "value": "1"}


def expand(symbol: str, rng: random.Random, depth: int = 0) -> str:
    """One random text of a symbol; deep recursion ends in the symbol's simplest form."""
    if depth >= MAX_DEPTH and symbol in _SIMPLEST:
        return _SIMPLEST[symbol]
    chosen = rng.choice(GRAMMAR[symbol])
    return _REFERENCE.sub(lambda reference: expand(reference.group(1), rng, depth + 1), chosen)


def hostile_statement(question: Question, rng: random.Random) -> str:
    """A statement that is hostile, or a permitted one that was changed."""
    mutate = rng.choice(_MUTATIONS)
    return mutate(render(question, rng), rng)


def _any_statement(_: str, rng: random.Random) -> str:
    return expand("statement", rng)


def _added_item(text: str, rng: random.Random) -> str:
    return re.sub(r"(?i)select ", f"SELECT {expand('expression', rng)}, ", text, count=1)


def _replaced_item(text: str, rng: random.Random) -> str:
    return re.sub(r"(?is)select .*?\sfrom ", f"SELECT {expand('expression', rng)} FROM ", text, count=1)


def _added_predicate(text: str, rng: random.Random) -> str:
    joined = rng.choice(["AND", "OR", "AND NOT"])
    return re.sub(r"(?i)where ", f"WHERE {expand('predicate', rng)} {joined} ", text, count=1)


def _replaced_source(text: str, rng: random.Random) -> str:
    source = expand("source", rng)
    return re.sub(r'(?i)from (target\.)?"?events"?', lambda _: f"FROM {source}", text, count=1)


def _replaced_group(text: str, rng: random.Random) -> str:
    group = expand("group", rng)
    return re.sub(r"(?is)group by .*$", lambda _: f"GROUP BY {group}", text, count=1)


def _added_tail(text: str, rng: random.Random) -> str:
    return f"{text.rstrip(' ;')} {expand('tail', rng)}"


def _damaged(text: str, rng: random.Random) -> str:
    """Characters lost, doubled, swapped or replaced by ones that parsers trip over."""
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(text))
        piece = rng.choice(
            ["", text[place] * 2, "'", '"', "(", ")", ";", "\x00", "\u200b", "--", "/*", "\\", "é", "ſ"]
        )
        text = text[:place] + piece + text[place + 1 :]
    return text


def _nested(text: str, rng: random.Random) -> str:
    depth = rng.choice([3, 30, 3_000])
    return re.sub(r"(?i)where ", f"WHERE {'(' * depth}cost = 1{')' * depth} AND ", text, count=1)


def _quoted_away(text: str, rng: random.Random) -> str:
    """Another table or column with the same look: unusual letters, quoted names with spaces, other cases."""
    old = rng.choice(["customer_id", "placement_type", "sku_id", "events", "date", "cost"])
    new = rng.choice(
        [old.replace("s", "ſ"), f'"{old} "', f"`{old}`", f"[{old}]", old.replace("_", "__"), f'"{old}".x']
    )
    return text.replace(old, new, 1)


_MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _any_statement,
    _any_statement,
    _added_item,
    _replaced_item,
    _added_predicate,
    _added_predicate,
    _replaced_source,
    _replaced_group,
    _added_tail,
    _damaged,
    _damaged,
    _nested,
    _quoted_away,
)
