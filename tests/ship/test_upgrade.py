"""A database from the release of 2026-11-30 is migrated: its history verifies, and an undo still works.

The fixture is a dump of that release's database and of its sandbox. An agent answers a number after a move, an import
was refused, a new label is unconfirmed, and one agent was renamed in the ElevenLabs console.
"""

import gzip
import json
import re
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.process
DUMPS = Path(__file__).parent / "upgrade"
RENAMED = {  # permissions that had another name in the previous release
    "export_entry": "Can export history",
    "assign_phonenumber": "Can assign, move and unassign numbers",
    "decide_outsidechange": "Can accept and dismiss external changes",
    "view_outsidechange": "Can view external change",
}
UNDO_AND_SYNC = """
import json
import controlplane, django
django.setup()
from django.contrib.auth.models import Permission, User
from controlplane.api.models import Token
from controlplane.audit.models import Entry
from controlplane.operations import settle
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation
from numbers import undo
from numbers.models import PhoneNumber
from numbers.sync import sync_all
settle.settle_due()
move = Operation.objects.get(key="m1")
entry = Entry.objects.get(cause="operation", cause_id=str(move.pk), kind="number.changed")
undone = undo.execute(entry, ActionContext(key="undo", actor=User.objects.get(username="olga")))
run = sync_all()
number = PhoneNumber.objects.get()
print(json.dumps({
    "states": dict(Operation.objects.order_by("pk").values_list("key", "state")),
    "evidence": sorted(set(Operation.objects.values_list("evidence", flat=True))),
    "undo": undone.message,
    "sync": [run.state, run.changed, run.gone],
    "number": [number.label, number.agent.name],
    "token": Token.objects.get().state,
    "permissions": dict(Permission.objects.values_list("codename", "name")),
}))
"""


def restored(name: str, file: Path, **replaced: str) -> Path:
    sql = gzip.decompress((DUMPS / f"2026-11-30-{name}.sql.gz").read_bytes()).decode()
    for pattern, text in replaced.items():
        sql = re.sub(pattern, text, sql)
    with sqlite3.connect(file) as connection:
        connection.executescript(sql)
    connection.close()
    return file


def test_a_database_of_the_release_before_goes_on(run, tmp_path):
    sandbox = Sandbox().start(restored("remote", tmp_path / "remote.sqlite3"))
    try:
        workspace = {r"127\.0\.0\.1:\d+": sandbox.url.removeprefix("http://")}
        database = restored("app", tmp_path / "app.sqlite3", **workspace)
        environment = {
            "DATABASE_URL": f"sqlite:///{database}",
            "ELEVENLABS_BASE_URL": sandbox.url,
            "SECRET_KEY_FALLBACKS": "made-for-the-upgrade-test-0123456789-0123456789-0123456789",
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        }
        manage = (sys.executable, "manage.py")

        migrated = run(*manage, "migrate", "--no-input", **environment)
        assert migrated.returncode == 0, migrated.stderr
        assert run(*manage, "migrate", "--check", **environment).returncode == 0
        before = run(*manage, "verify_history", **environment)
        assert before.returncode == 0, before.stderr

        result = run(sys.executable, "-c", UNDO_AND_SYNC, **environment)

        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout.splitlines()[-1])
        assert found["states"] == {
            **dict.fromkeys(("c1", "c2", "i1", "m1", "m2", "r1", "undo"), "done"),
            "i2": "refused",
        }, found
        assert (found["sync"], found["number"]) == (["complete", 0, 0], ["Night line", "Help Desk"]), found
        assert found["evidence"] == ["answered", "checked", "read_back"], found
        assert found["token"] == "active"
        assert RENAMED.items() <= found["permissions"].items(), found["permissions"]
        after = run(*manage, "verify_history", **environment)
        assert after.returncode == 0, after.stderr
    finally:
        sandbox.stop()
