# SPDX-License-Identifier: Apache-2.0
"""What is measured, in the table's order."""
import dataclasses
from typing import Callable

import load


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str
    # (system, run) to figures by metric; None where a system has nothing to show.
    measure: Callable
    near: bool = False
    # Memory is told once, of proxies that have carried nothing else.
    once: bool = False


def _bulk(streams, reverse=False, near=False):
    return lambda system, run: load.bulk(system, run.seconds, streams, reverse, near)


def _requests(connections, near=False):
    return lambda system, run: load.requests(system, run.seconds, connections, near)


ROWS = [
    Row("memory", "Anonymous memory of both proxies", lambda system, run: load.memory(system, run.idle_connections, run.settle), once=True),
    Row("stream", "One stream to the server", _bulk(1)),
    Row("stream-reverse", "One stream from the server", _bulk(1, reverse=True)),
    Row("four", "Four streams to the server", _bulk(4)),
    Row("four-reverse", "Four streams from the server", _bulk(4, reverse=True)),
    Row("requests-1", "Requests, 1 kept connection", _requests(1)),
    Row("requests-32", "Requests, 32 kept connections", _requests(32)),
    Row("requests-256", "Requests, 256 kept connections", _requests(256)),
    Row("connections", "New connections, 32 at a time", lambda system, run: load.connections(system, run.seconds, 32)),
    Row("beside", "Requests on 4 connections beside four streams", lambda system, run: load.beside(system, run.seconds, 4, 4)),
    Row("near-stream", "Same host: one stream", _bulk(1, near=True), near=True),
    Row("near-four", "Same host: four streams", _bulk(4, near=True), near=True),
    Row("near-requests-32", "Same host: requests, 32 kept connections", _requests(32, near=True), near=True),
]
