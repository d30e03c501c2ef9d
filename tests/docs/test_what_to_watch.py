"""The alerts that the documents give to begin with name what there is to name."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.support.documents import DOCS, blocks, rows_of
from tests.support.server import LiveServer
from tests.support.wire import Wire, bearer

TOKEN = "Vq8LxT3nRw6ZbK9cHs2MdY5gJf7PaE4u"
OPERATIONS = DOCS / "operations.md"

_SELECTOR = re.compile(r"\b(keyturn_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    """What a server tells after a call of everything that has a label of its own."""
    server = LiveServer(tmp_path_factory.mktemp("watched") / "data", metrics_token=TOKEN)
    with server, Wire(server.address) as wire:
        assert wire.call("POST", "/refresh-token").status == 401
        wire.call("GET", "//metrics", headers=[bearer(TOKEN)])
        text = wire.call("GET", "//metrics", headers=[bearer(TOKEN)]).body.decode()
    return [*text_string_to_metric_families(text)]


def alerts() -> list[dict[str, Any]]:
    _, rules = [yaml.safe_load(block) for block in blocks(OPERATIONS, "yaml")]
    return [rule for group in rules["groups"] for rule in group["rules"]]


def test_every_alert_has_a_name_and_a_sentence() -> None:
    assert len(alerts()) >= 5
    for alert in alerts():
        assert set(alert) <= {"alert", "expr", "for", "annotations"}
        assert alert["annotations"]["summary"]
        assert alert["expr"].count("(") == alert["expr"].count(")")


@pytest.mark.parametrize("name", [alert["alert"] for alert in alerts()])
def test_an_alert_watches_what_there_is(families: list[Metric], name: str) -> None:
    (alert,) = [alert for alert in alerts() if alert["alert"] == name]
    samples = [sample for family in families for sample in family.samples]
    selectors = _SELECTOR.findall(alert["expr"])
    assert selectors
    for metric, matchers in selectors:
        series = [sample.labels for sample in samples if sample.name == metric]
        assert series, metric
        assert len(_MATCHER.findall(matchers)) == matchers.count("=")
        for label, operator, value in _MATCHER.findall(matchers):
            pattern = value if operator == "=~" else re.escape(value)
            if label == "status":  # nothing has failed yet
                assert re.fullmatch("[1-5]xx", value)
            else:
                assert any(re.fullmatch(pattern, labels[label]) for labels in series), f"{metric}: {label}={value}"


def test_the_table_names_every_metric_and_every_label(families: list[Metric]) -> None:
    rows = {name: row[1] for row in rows_of(OPERATIONS, "metric") for name in re.findall(r"`(\w+)`", row[0])}
    exposed = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}
    assert set(rows) == set(exposed)
    for name, family in exposed.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(re.findall(r"`(\w+)`", rows[name])), name


def test_every_verdict_is_explained(families: list[Metric]) -> None:
    (row,) = [row for row in rows_of(OPERATIONS, "metric") if "keyturn_refreshes_total" in row[0]]
    verdicts = {
        sample.labels["verdict"] for family in families for sample in family.samples if "verdict" in sample.labels
    }
    assert verdicts == set(re.findall(r"`(\w+)`", row[1])) - {"verdict"}
