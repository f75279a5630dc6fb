"""The alerts and the dashboard in deploy/: Prometheus' own tools read them, and every metric they name is served."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml

from bot.app.metrics import Metrics, serve_metrics
from bot.domain import Usage
from bot.records import AnswerRecord, AnswerStatus
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.app import build_app

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "docent.json").read_text(encoding="utf-8"))
OPERATIONS = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)")


def read_rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def read_dashboard_queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def run_promtool(*arguments: str | Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - Debian's tool, our own files
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_metric_of_alerts_and_dashboard_is_served() -> None:
    metrics = Metrics()
    metrics.observe_answer(AnswerRecord("1", "?", 1, 2, 3, 100.0))
    served = {sample for family in metrics.registry.collect() for sample in (family.name, f"{family.name}_total")}
    served |= {f"{family.name}_bucket" for family in metrics.registry.collect() if family.type == "histogram"}
    queries = [*read_dashboard_queries(), *(rule["expr"] for rule in read_rules())]
    named = {name for query in queries for name in re.findall(r"docent_\w+", query)}
    assert named <= served
    assert {family.name for family in metrics.registry.collect()} <= {
        re.sub(r"_(total|bucket)$", "", name) for name in named
    }, "a metric that nobody looks at"


def test_outcomes_that_alerts_name_are_statuses_of_answers() -> None:
    statuses = {status.value.replace(" ", "_") for status in AnswerStatus}
    named = {
        name
        for rule in read_rules()
        for each in re.findall(r'outcome=~"([^"]+)"', rule["expr"])
        for name in each.split("|")
    }
    assert named
    assert named <= statuses


def test_every_alert_is_documented() -> None:
    assert [rule["alert"] for rule in read_rules() if f"`{rule['alert']}`" not in OPERATIONS] == []


def test_panels_have_their_own_ids_and_places() -> None:
    panels = DASHBOARD["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@needs_promtool
@pytest.mark.real_time("promtool is another process")
def test_promtool_accepts_the_alerts_the_example_and_every_query_of_the_dashboard(tmp_path: Path) -> None:
    assert f"{len(read_rules())} rules found" in run_promtool("check", "rules", ALERTS)
    run_promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yaml")
    recording = [{"record": f"panel_{number}", "expr": query} for number, query in enumerate(read_dashboard_queries())]
    (tmp_path / "queries.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": recording}]}), "utf-8"
    )
    run_promtool("check", "rules", tmp_path / "queries.yaml")


def make_series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


ALERT_CASES = {
    "DocentDown": ([make_series('up{job="docent", instance="a"}', "1 1 0x10")], [3, 6]),
    "DocentDisconnected": ([make_series('docent_gateway_connected{instance="a"}', "1x3 0x20")], [8, 12]),
    "DocentAnswersFail": (
        [
            make_series('docent_answers_total{instance="a", outcome="complete"}', "0+1x60"),
            make_series('docent_answers_total{instance="a", outcome="failed"}', "0x20 1+1x40"),
        ],
        [20, 50],
    ),
    "DocentQueueDoesNotEmpty": (
        [make_series('docent_open_answers{instance="a", state="waiting"}', "0x5 3x40")],
        [14, 40],
    ),
    "DocentRateLimited": (
        [make_series('docent_discord_requests_total{instance="a", method="GET", status="429"}', "0x20 30+30x60")],
        [20, 60],
    ),
}
"""For each alert: series of one value a minute, and the minutes at which it is silent and at which it fires."""


@needs_promtool
@pytest.mark.real_time("promtool is another process")
@pytest.mark.parametrize("alert", ALERT_CASES)
def test_alert_fires_when_it_should(alert: str, tmp_path: Path) -> None:
    series, (silent, firing) = ALERT_CASES[alert]
    (rule,) = [rule for rule in read_rules() if rule["alert"] == alert]
    labels = {"severity": rule["labels"]["severity"], "instance": "a"}
    labels |= {"job": "docent"} if alert == "DocentDown" else {}
    labels |= {"state": "waiting"} if alert == "DocentQueueDoesNotEmpty" else {}
    expected = {
        "exp_labels": labels,
        "exp_annotations": {"summary": rule["annotations"]["summary"].replace("{{ $labels.instance }}", "a")},
    }
    case = {
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": f"{silent}m", "alertname": alert, "exp_alerts": []},
            {"eval_time": f"{firing}m", "alertname": alert, "exp_alerts": [expected]},
        ],
    }
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["alerts.yaml"], "tests": [case]}), "utf-8")
    run_promtool("test", "rules", tmp_path / "test.yaml")


@needs_prometheus
@pytest.mark.real_time("prometheus is another process")
async def test_a_real_prometheus_scrapes_the_bot(tmp_path: Path) -> None:
    ended = AnswerRecord("1", "?", 1, 2, 3, 100.0, status=AnswerStatus.COMPLETE, usage=Usage(50, 2), ended_at=104.0)
    async with build_app(FakeAnswerer(Script(["Two weeks."]))) as app, serve_metrics(app, "127.0.0.1", 0) as address:
        app.metrics.observe_answer(ended)
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
        config["scrape_configs"][0] |= {
            "static_configs": [{"targets": [address.removeprefix("http://")]}],
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
        }
        shutil.copy(ALERTS, tmp_path)
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        found = await query_prometheus(tmp_path, "docent_answers_total")
    assert [(each["metric"]["outcome"], each["value"][1]) for each in found] == [("complete", "1")]


async def query_prometheus(folder: Path, query: str) -> list[dict[str, Any]]:
    """Run a Prometheus server over ``folder`` until a query has a result."""
    assert PROMETHEUS is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        *(PROMETHEUS, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"),
        f"--web.listen-address={address}",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                assert process.returncode is None
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://{address}/api/v1/query", params={"query": query}) as response:
                        body = await response.json(content_type=None)
                    if found := (body.get("data") or {}).get("result"):
                        return list(found)
                await asyncio.sleep(0.2)
    finally:
        process.terminate()
        await process.wait()
