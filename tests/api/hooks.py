"""What schemathesis sends as bodies that are no JSON: sync messages of a worker that is there, and rounds that follow a
log, as they are and changed, and any bytes. test_api.py says in $SAMARA_API_ROUNDS where such rounds are."""

import os
import pathlib

import schemathesis
import wire
from hypothesis import strategies as st

ROUNDS = pathlib.Path(os.environ["SAMARA_API_ROUNDS"]).read_bytes()
NUMBERS = st.integers(0, 6) | st.sampled_from([2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1])


@st.composite
def results(draw):
    if draw(st.booleans()):
        return wire.slot(draw(NUMBERS), draw(NUMBERS), draw(st.binary(max_size=8)), draw(NUMBERS),
                         draw(st.sampled_from([wire.SLOT, wire.CHECK])))
    return wire.evaluation(*(draw(NUMBERS) for _ in range(6)))


@st.composite
def messages(draw):
    return wire.request(worker=draw(st.integers(0, 3)), cursor=draw(NUMBERS), wants=draw(NUMBERS),
                        wait_ms=draw(st.integers(0, 50)), leaving=draw(st.booleans()),
                        results=draw(st.lists(results(), max_size=2)))


@st.composite
def changed(draw, whole):
    message = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3)) if message else 0):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message)


@st.composite
def rounds(draw):
    """Some of them, from the start of one: each has its length before it."""
    starts = [0]
    while starts[-1] < len(ROUNDS):
        starts.append(starts[-1] + 4 + int.from_bytes(ROUNDS[starts[-1]:starts[-1] + 4], "little"))
    first = draw(st.integers(0, len(starts) - 1))
    return ROUNDS[starts[first]:starts[draw(st.integers(first, len(starts) - 1))]]


@schemathesis.hook
def filter_case(context, case):
    """A part of a JSON file is no JSON, and would be read as such."""
    is_json = str((case.path_parameters or {}).get("file", "")).endswith(".json")
    return not (is_json and "range" in {name.lower() for name in case.headers or {}})


schemathesis.openapi.media_type("application/vnd.samara.sync", messages() | changed(messages()) | st.binary())
schemathesis.openapi.media_type("application/octet-stream", rounds() | changed(rounds()) | st.binary())
