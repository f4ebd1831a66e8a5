"""Tokens and TLS between real processes: a run is made, worked and read by whom its ledger lets in, and nobody else."""

import json
import os
import shutil
import ssl
import subprocess
import unittest
import urllib.error
import urllib.request

import stage

ADMIN, WORKER, READER = "an-admin-of-the-ledger", "a-worker-of-the-ledger", "a-reader-of-the-ledger"


class Access(stage.Stage):
    def setUp(self):
        super().setUp()
        self.started = []

    def tearDown(self):
        for process in reversed(self.started):
            process.terminate()
            process.wait()
        super().tearDown()

    def secret(self, name, text):
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def spawn(self, *words, log):
        with open(self.path(log), "wb") as out:
            process = subprocess.Popen(list(map(str, words)), stdout=out, stderr=subprocess.STDOUT, cwd=self.folder,
                                       stdin=subprocess.DEVNULL, env=self.environment)
        self.started.append(process)

    def said(self, log, mark):
        def find():
            with open(self.path(log), encoding="utf-8", errors="replace") as file:
                return [line.split(mark)[1].strip() for line in file if mark in line and line.endswith("\n")]
        return stage.wait_until(find, f"{mark} in {log}")[0]

    def certificate(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl here to make a certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=samara", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")], check=True,
                       capture_output=True)
        os.chmod(self.path("key.pem"), 0o600)

    def manifest(self):
        """Of a short training with the same model and data."""
        self.train("--rounds", "4", "--slots", "2", "--workers", "1", "--out", self.path("plain"))
        told = self.samara("log", "--json", self.path("plain/run.samlog"))
        return told.stdout.splitlines()[0].encode()

    def ask(self, path, token=None, body=None):
        request = urllib.request.Request(self.ledger + path, data=body)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        context = ssl.create_default_context(cafile=self.path("cert.pem"))
        try:
            with urllib.request.urlopen(request, timeout=stage.LIMIT, context=context) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    def start_ledger(self):
        self.secret("tokens", f"admin {ADMIN} ops\nworker {WORKER} rack-3\nreader {READER}\n")
        self.spawn("redis-server", "--port", "0", "--unixsocket", self.path("r.sock"), "--dir", self.folder,
                   "--appendonly", "yes", "--appendfsync", "always", "--save", "", log="redis.log")
        self.spawn(stage.BIN / "samara-ledger", "--listen", "127.0.0.1:0", "--redis", "unix:r.sock", "--wait-redis",
                   "30", "--tokens", "tokens", "--tls-cert", "cert.pem", "--tls-key", "key.pem", log="ledger.log")
        self.ledger = self.said("ledger.log", "listening on ")
        self.assertTrue(self.ledger.startswith("https://"), self.ledger)

    def worker(self, run, *words):
        files = self.material()
        files = files[:files.index("--task")] + files[files.index("--train"):files.index("--test")]
        return subprocess.run([str(stage.BIN / "samara-worker"), "--ledger", self.ledger, "--run", run, *files,
                               "--kernel", "portable", *words], capture_output=True, text=True, timeout=stage.LIMIT,
                              stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder, check=False)

    def test_only_who_has_the_token_of_the_role_makes_works_and_reads_a_run(self):
        if shutil.which("redis-server") is None:
            self.skipTest("no redis-server here")
        self.certificate()
        manifest = self.manifest()
        self.start_ledger()
        self.assertEqual(self.ask("/v1/runs", body=manifest)[0], 401)
        code, problem = self.ask("/v1/runs", WORKER, manifest)
        self.assertEqual((code, problem["code"]), (403, "FORBIDDEN"))
        self.assertIn("takes a token with the role admin; that of rack-3 is worker", problem["detail"])
        code, made = self.ask("/v1/runs", ADMIN, manifest)
        self.assertEqual(code, 201)

        for token in (f"{READER}\n", "a-token-of-nobody-here\n"):
            done = self.worker(made["run"], "--ca-file", "cert.pem", "--token-file", self.secret("token", token))
            self.assertEqual(done.returncode, 3, done.stderr)
        done = self.worker(made["run"], "--token-file", self.secret("token", f"{WORKER}\n"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--ca-file", done.stderr)
        done = self.worker(made["run"], "--ca-file", "cert.pem", "--token-file", "token")
        self.assertEqual(done.returncode, 0, done.stderr)

        told = self.samara("status", "--ca-file", "cert.pem", self.ledger)
        self.assert_one_sentence(told, "a bearer token is needed")
        told = self.samara("status", "--json", f"{self.ledger}/v1/runs/{made['run']}", environment=dict(
            self.environment, SAMARA_TOKEN_FILE=self.secret("mine", READER), SAMARA_CA_FILE="cert.pem"))
        self.assertEqual(json.loads(told.stdout)["status"], "complete", told.stderr)
        with open(self.path("ledger.log"), encoding="utf-8") as log:
            for secret in (ADMIN, WORKER, READER):
                self.assertNotIn(secret, log.read())


if __name__ == "__main__":
    unittest.main()
