"""The files in deploy/: the container's command runs, the unit is valid, the manifests name what there is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import SECRET_FIELDS, list_setting_names
from bot.simulator.server import DiscordSimulator

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
KNOWN_VARIABLES = {*list_setting_names(), *(f"{field.upper()}_FILE" for field in SECRET_FIELDS)}
START_TIMEOUT = 60.0
"""Seconds: LlamaIndex is imported on a machine that may be busy."""


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def container_environment(folder: Path) -> dict[str, str]:
    """The final image's own variables, its folders below ``folder``."""
    final_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    pairs = [
        pair.split("=", 1) for line in re.findall(r"^ENV (.+)$", final_stage, re.MULTILINE) for pair in line.split()
    ]
    variables = {name: value for name, value in pairs if name != "PATH"}
    return {name: value.replace("/data", str(folder)) for name, value in variables.items()} | {
        "PATH": os.environ["PATH"]
    }


def install(folder: Path) -> Path:
    """Build the wheel and unpack it, as the image does."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own arguments
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    for name in ("documents", "state"):
        (folder / name).mkdir()
    (folder / "documents" / "refunds.md").write_text("# Refunds\n\nA refund takes five days.\n", encoding="utf-8")
    return folder / "site"


async def test_containers_command_is_healthy_and_ends_on_its_stop_signal(tmp_path: Path) -> None:
    site = install(tmp_path)
    (health_check,) = re.findall(r"CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    entry_point = re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)
    stop_signal = signal.Signals[re.findall(r"^STOPSIGNAL (\w+)$", DOCKERFILE, re.MULTILINE)[0]]
    assert entry_point == ['["docent"]']
    async with DiscordSimulator() as simulator:
        (tmp_path / "token").write_text(simulator.world.token, encoding="utf-8")
        environment = container_environment(tmp_path) | {
            "PYTHONPATH": str(site),
            "DISCORD_TOKEN_FILE": str(tmp_path / "token"),
            "DISCORD_API_URL": simulator.api_url,
            "DISCORD_GATEWAY_URL": simulator.gateway_url,
            "EMBED_MODEL": "none",
            "METRICS_PORT": str(find_free_port()),
        }
        log_path = tmp_path / "log"
        with log_path.open("wb") as log_file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from bot.__main__ import main; main()"),
                cwd=tmp_path,
                env=environment,
                stderr=log_file,
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                index = tmp_path / "state" / "index.sqlite"
                while not (
                    any(simulator.world.commands.values()) and index.exists()
                ):  # another process: no event tells
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
            _, *arguments = json.loads(health_check)
            check = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment)
            assert await check.wait() == 0
            process.send_signal(stop_signal)
            async with asyncio.timeout(START_TIMEOUT):
                await process.wait()
            log = log_path.read_text(encoding="utf-8")
            assert process.returncode == 0, log
            assert all(json.loads(line)["time"] for line in log.splitlines())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def test_image_copies_only_files_that_reach_the_build() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_image_does_not_run_as_root() -> None:
    assert re.search(r"^USER [1-9]\d+$", DOCKERFILE, re.MULTILINE)


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed")
def test_unit_is_valid(tmp_path: Path) -> None:
    unit = (DEPLOY / "docent.service").read_text(encoding="utf-8").replace("/opt/docent/bin/docent", sys.executable)
    (tmp_path / "docent.service").write_text(unit, encoding="utf-8")
    verify = [str(SYSTEMD_ANALYZE), "verify", "--man=no", str(tmp_path / "docent.service")]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert (done.returncode, [line for line in done.stderr.splitlines() if "docent.service" in line]) == (0, [])


def test_unit_sets_only_known_variables() -> None:
    unit = (DEPLOY / "docent.service").read_text(encoding="utf-8")
    names = {
        pair.split("=")[0] for line in re.findall(r"^Environment=(.+)$", unit, re.MULTILINE) for pair in line.split()
    }
    assert names <= KNOWN_VARIABLES | {"HOME"}


def test_compose_services_name_known_variables_secrets_and_volumes() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source.startswith("./") or source in compose["volumes"]
        if name.startswith("bot"):
            assert set(service["environment"]) <= KNOWN_VARIABLES
            files = [value for key, value in service["environment"].items() if key.endswith("_FILE")]
            assert all(value.removeprefix("/run/secrets/") in service["secrets"] for value in files)


def test_kubernetes_probes_and_mounts_fit_the_container() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "docent.yaml").read_text(encoding="utf-8")))
    pod: dict[str, Any] = documents[1]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {variable["name"] for variable in container["env"]} <= KNOWN_VARIABLES
    assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    image_variables = container_environment(Path("/data"))
    assert str(container["ports"][0]["containerPort"]) == image_variables["METRICS_PORT"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert str(pod["securityContext"]["runAsUser"]) in DOCKERFILE


@pytest.mark.skipif(find_spec("check_jsonschema") is None, reason="the group 'manifests' is not installed")
@pytest.mark.real_time("the checker is another process")
@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.compose-spec", [DEPLOY / "compose.yaml"]),
        ("vendor.github-workflows", sorted((ROOT / ".github" / "workflows").glob("*.yml"))),
    ],
)
def test_compose_file_and_workflows_obey_their_published_schemas(schema: str, files: list[Path]) -> None:
    assert files
    check_schema("check_jsonschema", "--builtin-schema", schema, *files)


@pytest.mark.skipif(find_spec("kubernetes_validate") is None, reason="the group 'manifests' is not installed")
def test_kubernetes_manifests_obey_the_published_schemas() -> None:
    from kubernetes_validate import ValidationError, validate  # noqa: PLC0415 # not installed everywhere

    manifests = [
        manifest
        for path in (DEPLOY / "kubernetes").glob("*.yaml")
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    assert {manifest["kind"] for manifest in manifests} >= {"Deployment", "PersistentVolumeClaim"}
    for manifest in manifests:
        validate(manifest, "1.30", strict=True)
    manifests[0]["spec"]["accessmodes"] = []
    with pytest.raises(ValidationError):
        validate(manifests[0], "1.30", strict=True)


def check_schema(module: str, *arguments: str | Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
