"""The file of targets: what is wrong stops the start with a sentence."""

from __future__ import annotations

import pytest

from gridhub.connectors.sinks.targets import TargetError, load, secret

GOOD = """
targets:
  - name: street-desk
    kind: webhook
    url: https://desk.example.org/tasks
    secret_env: STREET_DESK_SECRET
    tasks: {area: ["420202"], action: [handle], most_severity: 2}
  - name: unit
    kind: mail
    to: unit@example.org
    sender: hub@example.org
    host: mail.example.org
"""


@pytest.fixture
def written(tmp_path):
    """A function that writes a file of targets."""

    def write(text):
        path = tmp_path / "sinks.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_gives_its_targets_and_no_file_none(written, tmp_path):
    """In their order, with the limits' defaults."""
    desk, unit = load(written(GOOD))
    assert (desk.name, desk.kind, desk.attempts, unit.port) == ("street-desk", "webhook", 8, 587)
    assert load(tmp_path / "none.yaml") == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("https://desk", "http://desk"), "https://"),
        (("https://desk", "https://me:word@desk"), "secret_env"),
        (("name: unit", "name: street-desk"), "two targets are called street-desk"),
        (("kind: mail", "kind: fax"), "target unit"),
        (("action: [handle]", "action: [help]"), "target street-desk: tasks.action"),
        (("most_severity: 2", "most_severity: 7"), "tasks.most_severity"),
        (("host: mail", "hots: mail"), "target unit: hots"),
        (("targets:", "targets: &all"), None),
    ],
)
def test_a_mistake_is_named(written, change, says):
    """The sentence names the target and the field."""
    path = written(GOOD.replace(*change))
    if says is None:
        assert len(load(path)) == 2
        return
    with pytest.raises(TargetError, match=says):
        load(path)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"severity": 3}, False),
        ({"area": "420203001"}, False),
        ({"action": "inform"}, False),
    ],
)
def test_a_target_gets_what_it_wants(written, changes, fits, task):
    """Area by its beginning, action by name, severity by limit."""
    desk, _ = load(written(GOOD))
    row = task(area="420202005", action="handle", severity=2)
    assert desk.tasks.fits({**row, **changes}) is fits


def test_secrets_come_from_the_environment_or_a_file(tmp_path):
    """A short one is none; the sentence names the variable, never the value."""
    long = "a" * 24
    (tmp_path / "secret").write_text(long + "\n")
    assert secret("KEY", {"KEY": long}) == secret("KEY", {"KEY_FILE": str(tmp_path / "secret")}) == long
    for environment in ({}, {"KEY": "short"}):
        with pytest.raises(TargetError, match="Set KEY") as caught:
            secret("KEY", environment)
        assert "short" not in str(caught.value)
