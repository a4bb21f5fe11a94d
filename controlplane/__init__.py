"""The Django project.

This module runs before anything else of ours, whichever way Python is started (manage.py, gunicorn, the
celery script, pytest). It therefore settles the one awkward name: the top-level folder `numbers/` shares its
name with a module of the standard library. The folder has no `__init__.py`, so it can never shadow that
module; instead the standard module is lent a `__path__`, and `numbers.models` is found as its submodule.
"""

from pathlib import Path

import numbers

numbers.__path__ = [str(Path(__file__).resolve().parent.parent / "numbers")]

from controlplane.celery import app as celery_app  # noqa: E402 - must follow the line above

__all__ = ["celery_app"]
