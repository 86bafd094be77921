"""Plain HTTP to what runs on this machine: no proxy is asked for, and no certificate is trusted or loaded.

Whoever waits asks many times a second, and the machine's certificates take 20 ms to load, each time.
"""

from __future__ import annotations

import ssl
from functools import partial

import httpx

_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

get = partial(httpx.get, verify=_TRUSTING_NOBODY, trust_env=False)
post = partial(httpx.post, verify=_TRUSTING_NOBODY, trust_env=False)
request = partial(httpx.request, verify=_TRUSTING_NOBODY, trust_env=False)
