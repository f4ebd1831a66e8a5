"""What a machine lets the fault suite do: a disk that fills up, a clock that jumps, a cable that can be cut.

    machine.can()                      # {"disk": True, "clock": "no clock can ...", ...}
    with machine.SmallDisk(folder): ...
    with machine.Cable(number) as cable: cable.cut(); cable.mend()

Disk and cable need root (a mount, a network namespace), the clock a C compiler. Where one is missing, can() says why, and
the schedules go without.
"""

import contextlib
import functools
import os
import pathlib
import subprocess
import tempfile

DISK_BYTES = 6 << 20


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


@functools.lru_cache(maxsize=None)
def can():
    """Each ability: True, or the word why not."""
    found = {"disk": True, "clock": True, "namespace": True, "netem": True}
    with tempfile.TemporaryDirectory(prefix="samara-disk-") as folder:
        try:
            with SmallDisk(folder):
                pass
        except OSError as failure:
            found["disk"] = f"no small file system can be mounted: {failure}"
    try:
        with Cable(250) as cable:
            try:
                cable.slow()
            except OSError as failure:
                found["netem"] = f"this kernel slows no cable: {failure}"
    except OSError as failure:
        found["namespace"] = found["netem"] = f"no network namespace can be made: {failure}"
    with tempfile.TemporaryDirectory(prefix="samara-clock-") as folder:
        try:
            build_clock(folder)
        except OSError as failure:
            found["clock"] = f"no clock can be put under Redis: {failure}"
    return found


# ---- a disk ----


class SmallDisk:
    """A file system of a few MB in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __enter__(self):
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "samara-disk", self.folder)
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.folder)

    def fill(self):
        with contextlib.suppress(OSError), open(self.folder / "ballast", "wb", buffering=0) as file:
            for size in (65536, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self):
        (self.folder / "ballast").unlink(missing_ok=True)


# ---- a clock ----


def build_clock(folder):
    """clock.c as a library that can be preloaded; OSError where that is not possible."""
    library = pathlib.Path(folder) / "clock.so"
    if not library.exists():
        source = pathlib.Path(__file__).with_name("clock.c")
        run(os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, source)
        run("env", f"LD_PRELOAD={library}", "redis-server", "--version")
    return library


class Clock:
    """The wall clock of one process; its monotonic clock goes on undisturbed."""

    def __init__(self, folder, library):
        self.file, self.library = pathlib.Path(folder) / "clock", library
        self.offset = 0
        self.step(0)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "SAMARA_CLOCK": str(self.file)}

    def step(self, seconds):
        self.offset += seconds
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.offset}\n", encoding="ascii")
        os.replace(new, self.file)


# ---- a cable ----


class Cable:
    """A network namespace at the end of a cable: `inside` is its address, `outside` ours. `number` 0..250."""

    def __init__(self, number):
        self.name, self.end = f"samara-{number}", f"sam{number}"
        self.outside, self.inside = f"10.213.{number}.1", f"10.213.{number}.2"

    def __enter__(self):
        self._remove()  # what a killed suite left
        try:
            run("ip", "netns", "add", self.name)
            run("ip", "link", "add", self.end, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            run("ip", "address", "add", f"{self.outside}/30", "dev", self.end)
            run("ip", "link", "set", self.end, "up")
            self._within("ip", "address", "add", f"{self.inside}/30", "dev", "eth0")
            self._within("ip", "link", "set", "lo", "up")
            self._within("ip", "link", "set", "eth0", "up")
        except OSError:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for words in (("ip", "link", "del", self.end), ("ip", "netns", "del", self.name)):
            with contextlib.suppress(OSError):
                run(*words)

    def _within(self, *words):
        run(*self.prefix(), *words)

    def prefix(self):
        """The words that stand before a command which is to run at the far end."""
        return ["ip", "netns", "exec", self.name]

    def cut(self):
        self._within("ip", "link", "set", "eth0", "down")

    def mend(self):
        self._within("ip", "link", "set", "eth0", "up")
        with contextlib.suppress(OSError):
            run("tc", "qdisc", "del", "dev", self.end, "root")

    def slow(self):
        run("tc", "qdisc", "replace", "dev", self.end, "root", "netem", "delay", "40ms", "20ms", "loss", "10%")
