#!/bin/sh
# Proves that tests/layers.sh can fail: each line of bad code, alone in a tree that is right otherwise, must be found.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
failed=0

judged() { LAYERS_ROOT=$tree sh "$here/layers.sh" "$tree/bin" >/dev/null 2>&1; }
plant() { # file, line of C
    rm -rf "$tree/common" "$tree/lib" "$tree/worker"
    mkdir -p "$tree/common" "$tree/lib/pg" "$tree/worker"
    echo '#include <stdio.h>' >"$tree/common/log.h"
    printf '#include "common/log.h"\n#include <libpq-fe.h>\nconst char *q = "begin";\n' >"$tree/lib/pg/pg.h"
    printf '#include "lib/pg/pg.h"\nconst char *help = "update FILE, or select nothing";\n' >"$tree/worker/main.c"
    [ $# = 0 ] || { mkdir -p "$(dirname "$tree/$1")" && printf '%s\n' "$2" >>"$tree/$1"; }
}

plant
judged || { echo "layers_selftest: a tree that is right is refused" >&2; failed=1; }
while read -r file line; do
    plant "$file" "$line"
    ! judged || { echo "layers_selftest: not found: $file: $line" >&2; failed=1; }
done <<'BAD'
common/log.h #include "lib/pg/pg.h"
common/log.h #include <jansson.h>
lib/pg/pg.h # include "worker/main.h"
worker/main.c #include "log.h"
worker/main.c #include <librdkafka/rdkafka.h>
worker/main.c const char *q = "SELECT id from job";
worker/main.c const char *q = "update job set status = 'x'";
worker/main.c const char *q = "commit";
worker/inner/x.c int x;
lib/other/x.c int x;
BAD
exit $failed
