#!/usr/bin/env python
import os
import sys

import controlplane  # noqa: F401 - first, so that `numbers` is both our app and the standard module

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
