#!/usr/bin/env python3
"""Writes tests/fuzz/corpus: what the fuzz targets start from, and what their short runs in ctest change.

    tests/fuzz/make_corpus.py build/release/tests/fuzz_corpus

The texts stand here; the program writes the binary files with the library's own writers. What a target once failed on
is kept beside them, in corpus/TARGET/found-*, and is not touched.
"""

import pathlib
import subprocess
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"

RUN = "a" * 64
CONFIG = (
    '{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,"intermediate_size":12,'
    '"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"vocab_size":16,'
    '"max_position_embeddings":32,"rms_norm_eps":1e-05,"rope_theta":10000.0,"hidden_act":"silu",'
    '"tie_word_embeddings":false,"attention_bias":false,"torch_dtype":"float32"}'
)
TOKENIZER = (
    '{"version":"1.0","added_tokens":[{"id":3,"content":"<s>","special":true}],"normalizer":null,'
    '"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"decoder":{"type":"ByteLevel"},'
    '"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}'
)
PIECES = (
    '{"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},'
    '{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},"pre_tokenizer":null,'
    '"model":{"type":"BPE","unk_token":"a","fuse_unk":true,"byte_fallback":true,'
    '"vocab":{"a":0,"\u2581":1,"\u2581a":2,"<0x41>":3},"merges":["\u2581 a"]}}'
)


def bulk(text):
    return f"${len(text)}\r\n{text}\r\n"


def array(*parts):
    return f"*{len(parts)}\r\n" + "".join(f":{p}\r\n" if isinstance(p, int) else p for p in parts)


def redis(which, *replies):
    """A PING, then the replies of one transition."""
    return bytes([which]) + ("+PONG\r\n" + "".join(replies)).encode("latin-1")


STATE = array(*map(bulk, ["head", "1", "chain", RUN, "status", "running", "next_worker", "2", "lost_leases", "0",
                          "records", "2"]))
WORKERS = array(*map(bulk, ["1:name", "one", "1:seen", "5", "1:slots", "3", "1:busy", "900", "2:name", "two",
                            "2:left", "1"]))
RECORDS = ["s:1:0", "1:\1\0\2ab", "s:1:1", "2:\1\x90\1\2cd"]  # weight, loss, number of codes, codes
GATHERED = array(1, 1, bulk(RUN), 1700000000000, array(*map(bulk, RECORDS)), array(),
                 array(bulk("0"), bulk("100:61:690000")))
SIGNED = array(1, 1, bulk(RUN), 5, array(*map(bulk, [RECORDS[0], RECORDS[1] + "s" * 64])), array(bulk("s:1:1")), array())

TEXTS = {
    "tokenizer_json": [TOKENIZER + "\0hello ab", PIECES + "\0 a A"],
    "model_folder": [
        "\0" + CONFIG,
        "\1" + '{"metadata":{"total_size":4},"weight_map":{"a":"model-00001-of-00001.safetensors"}}',
        "\2" + '{"bos_token":"<s>","add_bos_token":true,"eos_token":{"content":"ab"},"chat_template":"{{ x }}",'
        '"added_tokens_decoder":{"0":{"content":"a","special":true}}}',
    ],
    "table": [
        "\0" + '{"text":"It is.","label":1}\n{"text":"\\u00e9","label":"no"}\n',
        "\1text\tlabel\nIt is.\t1\nIt was.\t0\n",
        '\2text,label\n"It ""is"".",1\nplain,0\n',
        "\3text\tlabel\na\t1\n",
        "\5It is.\t1\n",
    ],
    "task": [
        '{"name":"sst2","template":"{text} It was","options":[" terrible"," great"],"label":"label",'
        '"labels":{"0":0,"1":1},"metric":"f1"}',
        '{"name":"copa","template":"{text} because","options":[" {a}"," {b}"],"label":"label","max_tokens":20,'
        '"columns":["text","label","a","b"]}',
        '{"name":"one","template":"{{{text}}}","options":[" {a}"]}',
    ],
    "access": [
        "# who may\nadmin 4Ynb0c1d2E5mVq7TzXw8Kg ops\nworker blake2b:" + "0" * 64 +
        "\treader-1\nreader a.b-c_d~e+f/g==hi\n",
        "4Ynb0c1d2E5mVq7TzXw8Kg\n",
        "ed25519:" + "0123456789abcdef" * 4 + "\n",
    ],
    "options": [
        "--count 5 --flag\ntext = a b\n# comment\nnumber = 1e-3\n",
        "--no-flag --text=x 0ff1ce 18446744073709551615\ncount=1\n",
        "\nflag = true\n",
    ],
    "redis_address": ["127.0.0.1:6379", "[::1]:7", "unix:/run/redis.sock", "unix:///r", "redis://:pass@db:1/2",
                      "redis://user:p%40ss@[::1]/0", "rediss://db", "sentinel://:pass@a:1,b,[::1]/name/2", "a:1,b:2",
                      "MOVED 3999 127.0.0.1:6381", "ASK 7 ::1:9"],
    "http_server": [
        "\0v1/a%20b?from=7&x=%2F+\nAuthorization: Bearer open-sesame-open\n\n",
        "\0files/a/b/../c?from=\n\n",
        "\2content\nRange: bytes=1-5\nIf-Range: \"abc\"\n\n",
        "\0content\nRange: bytes=-10\nIf-None-Match: \"abc\", W/\"x\"\n\n",
        '\1take\nContent-Type: application/json\n\n{"a":[1,2.5,"x"]}',
        "\3v1/x\n\n",
    ],
    "http_client": [
        "\0HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"x\"\r\nContent-Type: text/plain\r\n\r\nok",
        "\0HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nContent-Length: 38\r\n\r\n"
        '{"detail":"it is","code":"NOT_FOUND"}\n',
        "\1HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        "\0HTTP/1.1 503 Away\r\nRetry-After: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "\2HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"x\"\r\n\r\nfile",
        "\2HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\nfile",
    ],
    "source": [
        'hf:org/name@main\napplication/json\n{"sha":"c0ffee","siblings":[{"rfilename":"config.json"},'
        '{"rfilename":"model.safetensors"},{"rfilename":"../evil"}]}',
        'hf:org/name/a/b.gguf#sha256=' + "0" * 64 + '\napplication/json\n{"sha":"beef","siblings":[]}',
        'pypi:my-data==1.0/hello.txt\ntext/html\n<a href="../../files/my_data-1.0.tar.gz#sha256=' + "0" * 64 +
        '">x</a><a href=\'my_data-1.0-py3-none-any.whl\'>y</a>',
        'pypi:my-data==1.0/sub/\napplication/vnd.pypi.simple.v1+json\n{"files":[{"url":"/my_data-1.0.tar.gz",'
        '"hashes":{"sha256":"' + "0" * 64 + '"}}]}',
        'pypi:a==1/x.tar.gz!y\ntext/html\n<a href="a-1.tar.gz">',
    ],
    "run_client": [
        '\0{"run":"' + RUN + '","status":"running","head":3,"rounds":20,"records":9,"workers":2,'
        '"evaluations":[{"round":0,"examples":100,"correct":61,"loss_micro":690000}]}',
        '\1{"workers":[{"worker":1,"leases":2},{"worker":2,"leases":0}]}',
    ],
    "gateway": [
        redis(0, STATE, WORKERS, array(bulk("1"), bulk("2")), array(bulk("0"), bulk("100:61:690000")), ":3\r\n")
    ],
    "out_folder": [
        '\0{"manifest":{"rounds":20},"workers":{"one":{"slots":3,"bytes_sent":900}},"seconds":1.5,"head":3,'
        '"workers_lost":0,"zero_shot_dev":{"examples":100,"correct":61,"loss":0.69},"test":"' + RUN + '"}',
        '\1{"worker":1,"round":3,"slots":5,"evaluations":2,"bytes_sent":900,"bytes_received":1200,"rss_mb":40}',
    ],
    "redis": [
        redis(0, array(1, bulk(RUN), 0, bulk("running 0 s:1:0 1000 e:0:1 2000"), bulk("paused 1"))),
        redis(0, array(1, bulk(RUN), 1, bulk("complete 0"), "-CONFLICT worker 2 has applied 9 rounds\r\n")),
        redis(1, array(bulk("0"), bulk(RUN)), ":3\r\n"),
        redis(2, GATHERED, ":1\r\n"),
        redis(2, array(0, 1, bulk(RUN), 5, array(), array(), array())),
        redis(3, array(bulk("paused"), 1, 2, 0)),
        redis(4, array(5, 1, 1, STATE, WORKERS, array(bulk("s:1:0"), bulk("1")),
                       array(bulk("0"), bulk("100:61:690000")))),
        redis(5, array(array(bulk("1-0"), array(bulk("b"), bulk("round"))))),
        redis(6, bulk('{"samara":1}')),
        redis(7, array(bulk(RUN))),
        redis(3, "-CONFLICT the run is complete\r\n"),
        redis(0x82, SIGNED, ":1\r\n"),
        redis(8, array(bulk("v:1:0"), 1000, bulk("v:0:1"), 2000)),
        redis(0, "-NOSCRIPT No matching script.\r\n", bulk("f" * 40), "-ERR NOT_FOUND script: x\r\n"),
        b"\0-NOAUTH Authentication required.\r\n",
    ],
}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_corpus.py PROGRAM, where PROGRAM is fuzz_corpus of a build")
    for target, texts in TEXTS.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(texts):
            (folder / f"{number}").write_bytes(text if isinstance(text, bytes) else text.encode())
    subprocess.run([sys.argv[1], str(CORPUS)], check=True)


if __name__ == "__main__":
    main()
