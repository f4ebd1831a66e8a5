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


class Access(stage.Services):
    def secret(self, name, text):
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def certificate(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl here to make a certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=samara", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")], check=True,
                       capture_output=True)
        os.chmod(self.path("key.pem"), 0o600)

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

    def worker(self, run, *words):
        return subprocess.run(self.worker_words(run, "--kernel", "portable", *words), capture_output=True, text=True,
                              timeout=stage.LIMIT, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder,
                              check=False)

    def test_only_who_has_the_token_of_the_role_makes_works_and_reads_a_run(self):
        self.certificate()
        manifest = self.manifest()
        self.secret("tokens", f"admin {ADMIN} ops\nworker {WORKER} rack-3\nreader {READER}\n")
        self.start_ledger("--tokens", "tokens", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
        self.assertTrue(self.ledger.startswith("https://"), self.ledger)
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
