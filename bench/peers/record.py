"""What the comparisons write down: the machine's name, and rows of tables in the files of docs/."""


def cpu_name():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def add_rows(path, heading, head, rows):
    """After the last row of the table whose first two lines are `head`; without one, a new one at the file's end."""
    with open(path) as log:
        lines = log.read().splitlines()
    if head[0] not in lines:
        lines += ["", *heading, "", *head]
    at = lines.index(head[0])
    while at < len(lines) and lines[at].startswith("|"):
        at += 1
    lines[at:at] = rows
    with open(path, "w") as log:
        log.write("\n".join(lines) + "\n")
