"""Every command of Skybasket, from a checkout and with nothing but Python: `python3 manage.py run`.

It sets up its own environment first (portal/bootstrap.py) and goes on inside it.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python reads this far, and is told what it is missing
    sys.exit(
        "Skybasket needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (" + sys.executable + ")."
    )

from portal import bootstrap

if __name__ == "__main__":
    bootstrap.enter_environment()
    bootstrap.go_on()
