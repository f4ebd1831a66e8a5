"""What goes wrong is said in one sentence, with an exit code that is not 0, and nothing left running. Needs $SAMARA_BIN."""

import pathlib
import socket
import subprocess
import unittest

import stage


class Failures(stage.Stage):
    def refuse(self, *parts, words=(), environment=None, **instead):
        done = self.samara("train", *self.material(**instead), "--rounds", "5", "--out", self.path("out"), *words,
                           environment=environment)
        self.assert_one_sentence(done, *parts)
        return done

    def write(self, name, content):
        path = pathlib.Path(self.path(name))
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def test_a_model_that_is_not_there(self):
        self.refuse("nowhere.gguf", model=self.path("nowhere.gguf"))

    def test_a_model_file_that_is_none(self):
        self.refuse("model.gguf", model=self.write("model.gguf", "just words\n" * 100))

    def test_a_truncated_gguf(self):
        whole = (self.shared / "tiny.gguf").read_bytes()
        for share in (0.001, 0.05, 0.5, 0.999):
            with self.subTest(share=share):
                self.refuse("cut.gguf", model=self.write("cut.gguf", whole[:int(len(whole) * share)]))

    def test_a_missing_column(self):
        self.refuse("text", "train.tsv", train=self.write("train.tsv", "sentence\tlabel\nGood.\t1\n"))

    def test_a_label_that_the_task_does_not_know(self):
        self.refuse("dev.tsv:3", dev=self.write("dev.tsv", "text\tlabel\nGood.\t1\nHm.\tmaybe\n"))

    def test_data_without_examples(self):
        self.refuse("empty.tsv", dev=self.write("empty.tsv", "text\tlabel\n"))

    def test_a_task_that_is_no_json(self):
        self.refuse("task.json", task=self.write("task.json", "{\"name\": \n"))

    def test_a_missing_option(self):
        self.assert_one_sentence(self.samara("train", "--model", self.shared / "tiny.gguf"), "--task is missing")

    def test_words_that_mean_nothing(self):
        for words, part in ((("train", "--speed", "9"), "--speed"), (("dance",), "dance"),
                            (("fetch",), "SOURCE"), (("fetch", "a", "b"), "\"b\""),
                            (("log", "run.samlog", "--oneline"), "run.samlog"),
                            (("evaluate", "--model", "x", "--task", "x", "--data", "x", "--round", "5"), "--log is missing"),
                            (("export", "--out", "x", "--kind", "gguf-f17"), "gguf-f16")):
            with self.subTest(words=words):
                self.assert_one_sentence(self.samara(*words), part)

    def test_settings_out_of_range(self):
        for words, part in ((("--blocks", "3"), "2 blocks"), (("--precision", "f8"), "f8"), (("--port", "70000"), "65535"),
                            (("--directions", "north"), "sketch"), (("--kernel", "abacus"), "abacus"),
                            (("--rate", "1e30"), "1024"), (("--rate", "nan"), "rate"), (("--epsilon", "1e-30"), "1e-7"),
                            (("--minutes", "-1"), "from 0 up")):
            with self.subTest(words=words):
                self.refuse(part, words=words)

    def test_a_folder_that_cannot_be_made(self):
        self.write("file", "")
        self.refuse("file", words=("--out", self.path("file/out")))

    def test_no_redis(self):
        empty = pathlib.Path(self.path("empty"))
        empty.mkdir()
        self.refuse("redis-server is not installed", "apt install redis-server",
                    environment=self.environment | {"PATH": str(empty)})

    def test_a_redis_that_cannot_be_reached(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refuse(address, words=("--redis", address))

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.refuse(port, words=("--port", port))
            self.refuse(port, words=("--gateway-port", port))
            done = subprocess.run([str(stage.BIN / "samara-ledger"), "--listen", f"127.0.0.1:{port}", "--redis",
                                   "unix:" + self.path("none.sock"), "--wait-redis", "0"], capture_output=True,
                                  text=True, timeout=stage.LIMIT, env=self.environment, cwd=self.folder, check=False)
            self.assertNotEqual(done.returncode, 0)

    def test_a_ledger_that_cannot_be_reached(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            self.assert_one_sentence(self.samara("status", url), url, "is the ledger running?")
            self.assert_one_sentence(self.samara("log", url), url, "is the ledger running?")

    def test_something_that_is_no_log(self):
        self.assert_one_sentence(self.samara("log", self.write("run.samlog", "no log\n")), "run.samlog")
        self.assert_one_sentence(self.samara("log", self.path("nowhere.samlog")), "nowhere.samlog")

    def test_redis_data_that_are_gone(self):
        words = ("--workers", "1", "--rounds", "20")
        self.train(*words, "--out", self.path("out"))
        for file in pathlib.Path(self.path("out/redis/appendonlydir")).iterdir():
            file.unlink()
        done = self.samara("train", *self.material(), *words, "--out", self.path("out"))
        self.assert_one_sentence(done, "20 rounds", "--fresh")

    def test_a_model_that_cannot_be_opened_is_no_page_without_it(self):
        done = self.samara("doctor", "--model", self.path("nowhere.gguf"))
        self.assertIn("cpu", done.stdout)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nowhere.gguf", done.stderr)

    def test_help_is_no_failure(self):
        for words in (("--help",), ("help",), ("help", "train"), ("train", "--help"), ("doctor",), ("version",)):
            with self.subTest(words=words):
                done = self.samara(*words)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
