"""The Django project.

This module runs before any other module of the project, however Python is started (manage.py, gunicorn, the celery
script, pytest). So it resolves one name clash here: the top-level folder `numbers/` has the name of a standard library
module. The folder has no `__init__.py`, so it can never shadow that module; instead the standard library module is
given a `__path__`, and `numbers.models` is found as its submodule.
"""

from pathlib import Path

import numbers

numbers.__path__ = [str(Path(__file__).resolve().parent.parent / "numbers")]

from controlplane.celery import app as celery_app  # noqa: E402 - must follow the line above

__all__ = ["celery_app"]
