"""Every refusal of the runtime: one exception, one body, fixed texts where a text could tell something."""

from __future__ import annotations

import math

from rmn_pipeline.serving.messages import ErrorDetail, ErrorResponse

# The same for an adapter of somebody else and for one that does not exist.
NOT_YOURS = "This key may not use that composition."


class RefusalError(Exception):
    """An answer other than 200."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After where trying again helps; the scheme where a key is missing."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        if self.retry_after_seconds is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_seconds)))}

    @property
    def body(self) -> ErrorResponse:
        """In OpenAI's shape."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return ErrorResponse(error=ErrorDetail(message=self.message, type=kind, code=self.code))


def forbidden() -> RefusalError:
    """Not the caller's, or not there at all."""
    return RefusalError(403, "not_permitted", NOT_YOURS)
