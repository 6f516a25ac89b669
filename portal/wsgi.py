"""The application for WSGI servers. Bundles want `portal.asgi`: a thread per download runs out of threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()
