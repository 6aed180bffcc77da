"""The multi-tenant HTTP runtime over the federation: tenants kept apart, load bounded, an OpenAI-compatible face.

Needs the extra `serve`. `create_app(settings, engine)` makes the application, `python -m rmn_pipeline.serving` runs it.
"""

from rmn_pipeline.serving.app import create_app
from rmn_pipeline.serving.composition_names import CompositionName
from rmn_pipeline.serving.engine import Answer, Ask, Engine, OverloadedError
from rmn_pipeline.serving.federation_engine import FederationEngine
from rmn_pipeline.serving.keys import hash_key, new_key
from rmn_pipeline.serving.settings import Limits, RuntimeSettings, ServingError, Tenant, load_settings

__all__ = [
    "Answer",
    "Ask",
    "CompositionName",
    "Engine",
    "FederationEngine",
    "Limits",
    "OverloadedError",
    "RuntimeSettings",
    "ServingError",
    "Tenant",
    "create_app",
    "hash_key",
    "load_settings",
    "new_key",
]
