"""The runtime as a process: the official client against it, streams, and a shutdown that loses nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from rmn_pipeline_tests.serving.conftest import KEYS, PLANTED, QUESTION, question


@pytest.fixture
def server(adapters_dir: Path, settings_file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "rmn_pipeline.serving", "run", "--settings", str(settings_file), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command, "--adapters", str(adapters_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        try:
            httpx.get(f"{url}/health", timeout=1)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield process, url
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_official_client_works_unchanged(server: tuple[subprocess.Popen[str], str]) -> None:
    _, url = server
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEYS["agency_x"], max_retries=0)
    assert "definition@alpha+brand_x" in {model.id for model in client.models.list()}
    asked = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="definition@+brand_x", messages=asked)  # type: ignore[arg-type, call-overload]
    assert whole.choices[0].message.content == PLANTED["brand_x"]
    assert whole.choices[0].finish_reason == "stop"
    pieces = list(
        client.chat.completions.create(  # type: ignore[call-overload]
            model="definition@+brand_x", messages=asked, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == PLANTED["brand_x"]
    assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="definition@+brand_y", messages=asked)  # type: ignore[arg-type, call-overload]
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0).models.list()


def test_sigterm_answers_all_that_was_accepted(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server

    async def work() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {KEYS['agency_x']}"}
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits) as client:
            body = question(brand_id="brand_x", temperature=0.5)
            asked = [asyncio.create_task(client.post("/inference", json=body)) for _ in range(40)]
            for _ in range(200):
                if (await client.get("/health")).json()["pending"] >= 20:
                    break
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*asked)

    responses = asyncio.run(work())
    assert [response.status_code for response in responses] == [200] * 40
    # uvicorn shuts down in order; depending on where the signal met it, it then ends the process by the signal.
    assert process.wait(30) in (0, -signal.SIGTERM)


def test_settings_that_cannot_be_used_end_with_a_clear_word(tmp_path: Path, adapters_dir: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("tenants: [{tenant_id: a, key_sha256: [short]}]")
    command = [sys.executable, "-m", "rmn_pipeline.serving", "run", "--settings", str(path)]
    done = subprocess.run(
        [*command, "--adapters", str(adapters_dir)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{path}: tenants.0.key_sha256.0: String should match pattern" in done.stderr
