"""What schemathesis sends as bodies that are no JSON: sync messages of a worker that is there, and rounds that follow a
log, as they are and changed, and any bytes. test_api.py says in $SAMARA_API_ROUNDS where such rounds are."""

import os
import pathlib

import samara_formats
import schemathesis
from hypothesis import strategies as st

ROUNDS = pathlib.Path(os.environ["SAMARA_API_ROUNDS"]).read_bytes()
NUMBERS = st.integers(0, 6) | st.sampled_from([2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1])


@st.composite
def results(draw):
    kind = draw(st.sampled_from([samara_formats.SLOT, samara_formats.CHECK, samara_formats.EVALUATION]))
    payload = (tuple(draw(NUMBERS) for _ in range(3)) if kind == samara_formats.EVALUATION
               else samara_formats.Yield(draw(NUMBERS), draw(NUMBERS), draw(st.binary(max_size=8))))
    return samara_formats.Result(kind, draw(NUMBERS), draw(NUMBERS), payload, draw(NUMBERS))


@st.composite
def messages(draw):
    return samara_formats.encode_request(draw(st.integers(0, 3)), draw(NUMBERS),
                                         draw(st.lists(results(), max_size=2)), wants=draw(NUMBERS),
                                         wait_ms=draw(st.integers(0, 50)), flags=draw(st.integers(0, 7)))


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
