"""Who may ask, and how much: the runtime's settings, one YAML file."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from rmn_pipeline.serving.keys import hash_key

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
KeyHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ServingError(ValueError):
    """Settings that cannot be used; the text says which file and key, and how to mend it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tenant(_Frozen):
    """Someone with a key, and whose adapters it opens. Industry and task adapters are open to everybody."""

    tenant_id: Identifier
    #: Hashes of the keys, made by `python -m rmn_pipeline.serving key`; two while a key is being replaced.
    key_sha256: tuple[KeyHash, ...] = Field(min_length=1, max_length=2)
    retailers: tuple[Identifier, ...] = ()
    brands: tuple[Identifier, ...] = ()
    requests_per_minute: PositiveInt = 120
    #: Requests of this tenant that may wait or run at the same time: nobody fills the queue alone.
    max_pending: PositiveInt = 16


class Limits(_Frozen):
    """What one request, and all of them together, may take."""

    max_request_bytes: PositiveInt = 64_000
    max_prompt_characters: PositiveInt = 8_000
    max_tokens: PositiveInt = 256
    #: From acceptance to answer; what waits longer is answered 503, what generates longer is cut off.
    timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    max_pending: PositiveInt = 64
    max_batch: PositiveInt = 16


class RuntimeSettings(_Frozen):
    """Everything the runtime is told."""

    tenants: tuple[Tenant, ...] = Field(min_length=1)
    limits: Limits = Limits()
    #: Prompts may hold confidential figures; they stand in the log only if this is switched on.
    log_prompts: bool = False

    @model_validator(mode="after")
    def _tenants_are_told_apart(self) -> Self:
        names = [tenant.tenant_id for tenant in self.tenants]
        hashes = [digest for tenant in self.tenants for digest in tenant.key_sha256]
        if len(set(names)) < len(names):
            raise ValueError("two tenants have the same tenant_id")
        if len(set(hashes)) < len(hashes):
            raise ValueError("two tenants have the same key")
        return self

    def tenant_of(self, key: str) -> Tenant | None:
        """Whose key this is; takes as long for a wrong key as for a right one."""
        digest, found = hash_key(key), None
        for tenant in self.tenants:
            for known in tenant.key_sha256:
                if hmac.compare_digest(digest, known):
                    found = tenant
        return found


def load_settings(path: Path | str) -> RuntimeSettings:
    """Read a settings file.

    Raises:
        ServingError: it is missing, no YAML, or breaks a rule; the text names file and key.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return RuntimeSettings.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ServingError(f"{path}: the runtime's settings cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise ServingError(f"{path}: {where}: {first['msg']}") from error
