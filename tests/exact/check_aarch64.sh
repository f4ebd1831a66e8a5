#!/bin/sh
# The exact zone on another processor: exact_digest built for aarch64, run under qemu, held against Python's digests.
#
#     tests/exact/check_aarch64.sh
#
# Exit status 77 (skipped) where the emulator, the cross compiler or Python is absent.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
libs=$here/../../libs
compiler=${CROSS_CC:-aarch64-linux-gnu-gcc}

for tool in "$compiler" qemu-aarch64 python3; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: no $tool (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user, python3)"
        exit 77
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=$(find "$libs/seed" -name '*.c' ! -name '*_test.c')
# The flags of CMakeLists.txt that the exact zone rests on; static, so that qemu needs no foreign libraries.
# shellcheck disable=SC2086
"$compiler" -std=c17 -D_GNU_SOURCE -O3 -Wall -Wextra -Werror -ffp-contract=off -static -I"$libs" -I"$here" \
    "$here/exact_digest.c" "$here/rounds.c" "$here/blake2b.c" $sources -o "$work/exact_digest"
python3 "$here/exact_digest.py" --against qemu-aarch64 "$work/exact_digest"
