# SPDX-License-Identifier: Apache-2.0
"""The systems that are measured beside each other."""
from systems.direct import Direct
from systems.haproxy import HAProxy
from systems.nginx import Nginx
from systems.warren import Warren

ALL = {system.name: system for system in (Warren, Nginx, HAProxy, Direct)}
