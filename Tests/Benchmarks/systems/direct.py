# SPDX-License-Identifier: Apache-2.0
"""Nothing between client and server."""
from systems.base import System


class Direct(System):
    name = "direct"
