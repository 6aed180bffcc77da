"""Query intake: a request becomes one canonical request, or is refused.

A request is structured (`dimensions`, `metrics`, `filters`) or one SQL SELECT, which is read as a structured one. The
check looks at the policy alone and never at the data, so neither the verdict nor its timing can tell
anything about a customer. Two requests that mean the same get the same canonical form, hence the same stored release.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmn_pipeline.cleanroom.errors import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.layout import Layout
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy, to_micro
from rmn_pipeline.cleanroom.schema import CUSTOMERS, DIMENSIONS, METRICS, TIME_DIMENSIONS
from rmn_pipeline.cleanroom.sql import compile_select

_REQUEST_KEYS = frozenset({"dimensions", "metrics", "filters", "epsilon"})
_SQL_KEYS = frozenset({"sql", "epsilon"})
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class PermittedRequest:
    """A request in canonical form: order, duplicates and spelling of the original are gone."""

    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    first_day: datetime.date
    last_day: datetime.date
    #: Membership filters that really restrict, each with its values in declared order.
    members: tuple[tuple[str, tuple[str, ...]], ...]
    epsilon_micro: int
    #: The count that the threshold looks at.
    count_metric: str = CUSTOMERS

    @property
    def charged_metrics(self) -> tuple[str, ...]:
        """The metrics that draw noise: the room's count is always one, because the threshold needs it."""
        return tuple(name for name in METRICS if name == self.count_metric or name in self.metrics)

    @property
    def named_columns(self) -> frozenset[str]:
        """Every column that the request shows or filters by."""
        return frozenset({*self.dimensions, *self.metrics, *(name for name, _ in self.members)})

    def canonical_json(self) -> str:
        """The one text of this request; it holds declared values only."""
        filters: dict[str, Any] = {"date": [self.first_day.isoformat(), self.last_day.isoformat()]}
        filters.update({name: list(values) for name, values in self.members})
        content = {
            "dimensions": list(self.dimensions),
            "metrics": list(self.metrics),
            "filters": filters,
            "epsilon_micro": self.epsilon_micro,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def shape_json(self) -> str:
        """What the request asks for, whatever its days and its ε."""
        content = {
            "dimensions": list(self.dimensions),
            "metrics": list(self.metrics),
            "filters": {name: list(values) for name, values in self.members},
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Question:
    """A permitted request and, where it came as SQL, the layout that its answer is to have."""

    permitted: PermittedRequest
    layout: Layout | None = None


@dataclass(frozen=True)
class Domains:
    """The declared values of every listed dimension of one room."""

    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, policy: CleanRoomPolicy, sku_ids: Sequence[str] | None) -> Domains:
        """Take lists from the policy and the SKUs from the brand's catalogue (none given: sku_id stays closed)."""
        values: dict[str, tuple[str, ...]] = {}
        for name, domain in policy.allowed_dimensions.items():
            if isinstance(domain, list):
                values[name] = tuple(domain)
            elif domain == "catalogue" and sku_ids:
                values[name] = tuple(sorted(set(sku_ids)))
        return cls(values)

    def digest(self) -> str:
        """A short fingerprint: the same request over other declared keys is another request."""
        content = json.dumps({name: list(self.values[name]) for name in sorted(self.values)})
        return hashlib.sha256(content.encode()).hexdigest()


def understand(request: object, policy: CleanRoomPolicy, domains: Domains) -> Question:
    """Read a structured request, a SELECT, or `{"sql": SELECT, "epsilon": ε}`; raise `CleanRoomError` otherwise."""
    if isinstance(request, str):
        request = {"sql": request}
    if not isinstance(request, Mapping):
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    if "sql" not in request:
        return Question(_parse_structured(request, policy, domains))
    if not _SQL_KEYS.issuperset(request):
        raise CleanRoomError(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    if not isinstance(request["sql"], str):
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    compiled = compile_select(
        request["sql"],
        schema_name=policy.retailer_id,
        unit=policy.contribution_unit,
        first_day=policy.date_range.first,
        last_day=policy.date_range.last,
    )
    content = compiled.content | {"epsilon": request.get("epsilon")}
    return Question(_parse_structured(content, policy, domains), compiled.layout)


def parse_request(request: object, policy: CleanRoomPolicy, domains: Domains) -> PermittedRequest:
    """Turn an analyst's request, structured or SQL, into its canonical form or raise `CleanRoomError`."""
    return understand(request, policy, domains).permitted


def _parse_structured(
    request: Mapping[Any, Any], policy: CleanRoomPolicy, domains: Domains
) -> PermittedRequest:
    if not _REQUEST_KEYS.issuperset(request):
        raise CleanRoomError(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    dimensions = _columns(request.get("dimensions", ()), _open_dimensions(policy, domains), DIMENSIONS)
    metrics = _columns(request.get("metrics", ()), policy.allowed_metrics, METRICS)
    if not metrics:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    filters = request.get("filters") or {}
    if not isinstance(filters, Mapping):
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    permitted = PermittedRequest(
        dimensions=dimensions,
        metrics=metrics,
        members=_members(filters, policy, domains),
        epsilon_micro=_epsilon_micro(request.get("epsilon"), policy),
        count_metric=policy.count_metric,
        **_days(filters, policy),
    )
    _check_shape(permitted, policy, domains, date_is_given="date" in filters)
    return permitted


def cell_count(request: PermittedRequest, domains: Domains) -> int:
    """How many cells the declared key domain of a request has."""
    restricted = dict(request.members)
    days = (request.last_day - request.first_day).days + 1
    sizes = {
        "date": days,
        "week": (days + request.first_day.weekday() + 6) // 7,
        **{name: len(restricted.get(name, values)) for name, values in domains.values.items()},
    }
    return math.prod(sizes[name] for name in request.dimensions)


def _check_shape(
    request: PermittedRequest, policy: CleanRoomPolicy, domains: Domains, *, date_is_given: bool
) -> None:
    times = [name for name in request.dimensions if name in TIME_DIMENSIONS]
    if len(times) > 1:
        raise CleanRoomError(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    # Without a range the key domain would be every day the policy declares: never what was meant.
    if times and not date_is_given:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    if cell_count(request, domains) > policy.max_cells_per_query:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    if min(policy.epsilon_split_micro(request.charged_metrics, request.epsilon_micro).values()) < 1:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)


def _open_dimensions(policy: CleanRoomPolicy, domains: Domains) -> set[str]:
    return {name for name in policy.allowed_dimensions if name in TIME_DIMENSIONS or name in domains.values}


def _columns(names: object, permitted: Sequence[str] | set[str], order: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    asked = set()
    for name in names:
        # An unknown, a hidden and a misspelt column must look alike.
        if not isinstance(name, str) or name not in permitted:
            raise CleanRoomError(ErrorCode.COLUMN_NOT_PERMITTED)
        asked.add(name)
    return tuple(name for name in order if name in asked)


def _members(
    filters: Mapping[Any, Any], policy: CleanRoomPolicy, domains: Domains
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    members = []
    for name in filters:
        if name not in policy.allowed_filters or (name != "date" and name not in domains.values):
            raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    for name in DIMENSIONS:
        if name == "date" or name not in filters:
            continue
        declared = domains.values[name]
        asked = _declared_values(filters[name], declared)
        if len(asked) < len(declared):
            members.append((name, asked))
    return tuple(members)


def _declared_values(given: object, declared: tuple[str, ...]) -> tuple[str, ...]:
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, Sequence) or not values:
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    known = set(declared)
    if not all(isinstance(value, str) and value in known for value in values):
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    asked = set(values)
    return tuple(value for value in declared if value in asked)


def _days(filters: Mapping[Any, Any], policy: CleanRoomPolicy) -> dict[str, datetime.date]:
    allowed = policy.date_range
    if "date" not in filters:
        return {"first_day": allowed.first, "last_day": allowed.last}
    given = filters["date"]
    if not isinstance(given, Mapping) or set(given) != {"from", "to"}:
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    first, last = _day(given["from"]), _day(given["to"])
    if not allowed.first <= first <= last <= allowed.last:
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    return {"first_day": first, "last_day": last}


def _day(value: object) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED)
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED) from None


def _epsilon_micro(value: object, policy: CleanRoomPolicy) -> int:
    if value is None:
        return policy.epsilon_per_query_micro
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    # The comparison comes first: it also turns away infinities, not-a-number and integers too large for a float.
    if not 0 < value <= policy.epsilon_per_query:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    micro = to_micro(value)
    if micro < 1:
        raise CleanRoomError(ErrorCode.INVALID_REQUEST)
    return micro
