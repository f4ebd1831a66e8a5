#!/usr/bin/env python3
"""Holds a running ledger and gateway against docs/formats/openapi-*.yaml with schemathesis: whatever is sent, the
answer is one that the page describes, and never a 500.

    scripts/test-api [MAX_EXAMPLES]      makes the Python environment, and runs this in it

A run of a tiny model is trained first, so that both services have something to show. Three runs are made of its
manifest: one that was worked through, one that goes on for ever, and one into which the trained rounds are imported.
Each request is made for one of them, or for a run that is not there, with an admin's token; and once without any, which
must be refused.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parent
FORMATS = HERE.parents[1] / "docs" / "formats"
sys.path.insert(0, str(HERE.parent / "integration"))
import stage  # noqa: E402
import tiny_model  # noqa: E402
sys.path.insert(0, str(HERE.parent / "exact"))
import samara_formats  # noqa: E402

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
          "ignored_auth")
AUTHORIZATION = "Bearer an-admin-of-both-services"


def ask(url, body=None, kind="application/json"):
    """A GET, or with a body a POST."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind, "Authorization": AUTHORIZATION})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read()
    except urllib.error.HTTPError as refusal:
        raise AssertionError(f"{url} answers {refusal.code}: {refusal.read()[:500]}") from refusal


class Services:
    """A Redis, a ledger and a gateway of their own, in `folder`; ended by close()."""

    def __init__(self, folder, model):
        self.folder = folder
        self.processes = []
        self.tokens = folder / "tokens"
        self.tokens.touch(mode=0o600)
        self.tokens.write_text(f"admin {AUTHORIZATION.split()[1]}\n", encoding="utf-8")
        redis = f"unix:{folder}/redis.sock"
        self.start("redis-server", "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", str(folder),
                   "--save", "", "--appendonly", "no")
        self.ledger = self.serve("samara-ledger", redis, "--wait-ms-max", "200")
        self.gateway = self.serve("samara-gateway", redis, "--model", str(model))

    def start(self, *words):
        name = pathlib.Path(words[0]).name
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        return self.folder / f"{name}.log"

    def serve(self, program, redis, *words):
        log = self.start(str(stage.BIN / program), "--listen", "127.0.0.1:0", "--redis", redis, "--wait-redis", "30",
                         "--tokens", str(self.tokens), *words)

        def address():
            text = log.read_text(encoding="utf-8", errors="replace")
            return text.split("listening on ", 1)[1].split()[0] if "listening on " in text else None

        url = stage.wait_until(address, f"{program} listens")
        return url if url.startswith("http") else f"http://{url}"

    def alive(self):
        return all(process.poll() is None for process in self.processes)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)


def train(folder):
    """The manifest and the rounds of a finished training of a tiny model."""
    tiny_model.write(folder / "tiny.gguf", seed=1)
    for name, seed in (("train", 1), ("dev", 2), ("test", 3)):
        stage.write_data(folder / f"{name}.tsv", 40, seed)
    (folder / "task.json").write_text(json.dumps(stage.TASK), encoding="utf-8")
    words = [str(stage.BIN / "samara"), "train", "--kernel", "portable", "--threads", "1", "--rounds", "5", "--json",
             "--out", str(folder / "out")]
    for name, file in {"model": "tiny.gguf", "task": "task.json", "train": "train.tsv", "dev": "dev.tsv",
                       "test": "test.tsv"}.items():
        words += [f"--{name}", str(folder / file)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=stage.LIMIT)
    log = (folder / "out" / "run.samlog").read_bytes()
    rounds_at = 12 + int.from_bytes(log[8:12], "little")
    return json.loads(log[12:rounds_at]), log[rounds_at:]


class Worker:
    """Works as the wire has it (docs/formats/wire.md), with codes that mean nothing."""

    def __init__(self, ledger, run, probes):
        self.base = f"{ledger}/v1/runs/{run}"
        self.probes = probes
        joined = json.loads(ask(f"{self.base}/join", b'{"name": "pretender"}'))
        self.worker, self.cursor = joined["worker"], joined["head"]

    def sync(self, results):
        reply = samara_formats.parse_reply(ask(f"{self.base}/sync",
                                               samara_formats.encode_request(self.worker, self.cursor, results),
                                               "application/vnd.samara.sync"))
        self.cursor += len(reply.rounds)
        return reply.leases

    def result(self, kind, number, index, _valid_ms):
        payload = ((10, 5, 6900000) if kind == samara_formats.EVALUATION
                   else samara_formats.Yield(weight=1, loss=177, codes=b"\x31" * self.probes))
        return samara_formats.Result(kind, number, index, payload)

    def work(self, turns):
        leases = []
        for _ in range(turns):
            leases = self.sync([self.result(*lease) for lease in leases])


def create(services, manifest, query=""):
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return json.loads(ask(f"{services.ledger}/v1/runs{query}", text.encode()))["run"]


def open_runs(services, manifest, rounds):
    ids = [create(services, manifest, f"?past={manifest['rounds']}")]
    first = 4 + int.from_bytes(rounds[:4], "little")
    ask(f"{services.ledger}/v1/runs/{ids[0]}/log", rounds[:first], "application/octet-stream")
    for name, count in (("worked", manifest["rounds"]), ("endless", "1000")):
        ids.append(create(services, {**manifest, "name": name, "rounds": count, "verify_rate": 64}))
        Worker(services.ledger, ids[-1], manifest["probes"]).work(40)
    stage.wait_until(lambda: gateway_has(services, ids), "the gateway has read all runs")
    return ids


def gateway_has(services, ids):
    return {run["run"] for run in json.loads(ask(f"{services.gateway}/v1/runs"))["runs"]} >= set(ids)


def page_with_runs(name, ids, folder, manifest):
    """The OpenAPI page, with runs that exist in the place of any, of services that ask for tokens."""
    page = yaml.safe_load((FORMATS / f"openapi-{name}.yaml").read_text(encoding="utf-8"))
    page["components"]["parameters"]["run"]["schema"] = {"type": "string", "enum": [*ids, "0" * 64]}
    page["security"] = [{"bearer": []}]
    if name == "ledger":
        body = page["paths"]["/v1/runs"]["post"]["requestBody"]["content"]["application/json"]
        body["schema"] = {"type": "object", "required": list(manifest),
                          "properties": {key: like(value) for key, value in manifest.items()}}
        body["example"] = manifest
    path = folder / f"openapi-{name}.json"
    path.write_text(json.dumps(page), encoding="utf-8")
    return path


def like(value):
    """A schema of the type that this value has: a manifest that is nearly one goes further than any JSON."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: like(inner) for key, inner in value.items()}}
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array"}
    return {"type": kinds[type(value)], "example": value} | ({"items": {}} if isinstance(value, list) else {})


def check(name, url, page, examples):
    print(f"== {name} at {url}", flush=True)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'exact'}",
                   "PYTHONDONTWRITEBYTECODE": "1",
                   "SAMARA_API_ROUNDS": str(page.parent / "rounds")}
    words = [str(pathlib.Path(sys.executable).parent / "schemathesis"), "run", str(page), "--url", url, "--header",
             f"Authorization: {AUTHORIZATION}", "--checks", CHECKS, "--phases",
             "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", "7",
             "--no-color", "--request-timeout", "20", "--generation-database", "none", "--warnings", "off",
             "--continue-on-failure"]
    return subprocess.run(words, env=environment, cwd=page.parent, check=False).returncode == 0


def main():
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="samara-api-") as name:
        folder = pathlib.Path(name)
        manifest, rounds = train(folder)
        (folder / "rounds").write_bytes(rounds)
        services = Services(folder, folder / "tiny.gguf")
        try:
            ids = open_runs(services, manifest, rounds)
            good = True
            for service, url in (("ledger", services.ledger), ("gateway", services.gateway)):
                good = check(service, url, page_with_runs(service, ids, folder, manifest), examples) and good
            if not services.alive():
                print("test-api: a service ended", file=sys.stderr)
                good = False
        finally:
            services.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
