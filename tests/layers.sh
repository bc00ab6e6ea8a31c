#!/bin/sh
# layers.sh [BIN]: proves the layering rule of docs/architecture.md on the sources, and on the supervisor in BIN.
# A folder may include what its line names, itself, and nothing else of ours; a library that isn't ours is known in
# one folder only; SQL stands where SQL belongs. With LAYERS_ROOT another tree is judged (the test of this test).
set -u
cd "${LAYERS_ROOT:-$(dirname "$0")/..}" || exit 1
bin=${1:-build/bin}

# folder: what it may use
may_use() {
    case $1 in
    common) echo ;;
    lib/json | lib/notify | lib/pg) echo common ;;
    lib/kafka) echo common lib/config ;;
    lib/config | lib/channel | lib/http) echo common lib/json ;;
    lib/ledger) echo common lib/json lib/pg ledger_sql.h schema_revisions.h ;;
    supervisor) echo common lib/json lib/config lib/notify lib/channel ;;
    worker) echo common lib/json lib/config lib/notify lib/channel lib/kafka lib/pg lib/ledger lib/http ;;
    scheduler) echo common lib/json lib/config lib/notify lib/channel lib/kafka lib/pg lib/ledger ;;
    producer | ctl) echo common lib/json lib/config lib/kafka lib/pg lib/ledger ;;
    migrations) echo common lib/json lib/config lib/pg embedded_revisions.h catalog_sql.h ;;
    broker) echo common lib/config lib/notify lib/kafka ;;
    api) echo common lib/json lib/config lib/notify lib/kafka lib/pg lib/ledger lib/http ;;
    esac
}
folders="common lib/json lib/config lib/notify lib/channel lib/kafka lib/pg lib/http lib/ledger
    supervisor worker scheduler producer ctl migrations broker api"

# header of somebody else's: the folders that know it
known_in() {
    case $1 in
    jansson.h) echo lib/json ;;
    libconfig.h) echo lib/config ;;
    systemd/*) echo lib/notify ;;
    librdkafka/*) echo lib/kafka broker ;;
    libpq-fe.h | postgresql/*) echo lib/pg ;;
    curl/*) echo lib/http ;;
    microhttpd.h) echo api ;;
    *) echo "$folder" ;;
    esac
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
problem() { printf 'layers: %s\n' "$*" >&2; echo x >>"$tmp/problems"; }
in_list() { # word, list
    for item in $2; do [ "$1" = "$item" ] && return 0; done
    return 1
}

files=0
for folder in $folders lib; do
    [ -d "$folder" ] || continue
    allowed="$folder $(may_use "$folder")"
    find "$folder" -name '*.[ch]' | sort >"$tmp/files"
    while read -r file; do
        home=$(dirname "$file")
        [ "$folder" != lib ] || in_list "$home" "$folders" || problem "$file: $home is no layer of the table in tests/layers.sh"
        [ "$folder" != lib ] || continue
        files=$((files + 1))
        [ "$home" = "$folder" ] || problem "$file: sources lie in the layer's folder itself"
        sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\(["<][^">]*[">]\).*/\1/p' "$file" >"$tmp/includes"
        while read -r include; do
            name=${include#?}
            name=${name%?}
            case $include in
            '"'*/*) in_list "${name%/*}" "$allowed" || problem "$file: includes $name, but $folder may use only: $allowed" ;;
            '"'*) in_list "$name" "$allowed" || problem "$file: includes $name: name it from the repository's root" ;;
            *) in_list "$folder" "$(known_in "$name")" || problem "$file: includes <$name>, which only $(known_in "$name") may know" ;;
            esac
        done <"$tmp/includes"
    done <"$tmp/files"
done
[ $files -gt 0 ] || problem "no sources found in $PWD"

sql='"[[:space:]]*(select[[:space:]]|insert into[[:space:]]|delete from[[:space:]]|update [a-z_.]+([[:space:]]+(as )?[a-z]+)? set[[:space:]]|update [a-z_.]+(\\n)?"|truncate [a-z_]|listen [a-z_]+"|(begin|commit|rollback);?")'
for folder in $folders; do
    case $folder in lib/ledger | lib/pg | migrations) continue ;; esac
    [ -d "$folder" ] || continue
    grep -rnEi --include='*.[ch]' "$sql" "$folder" >"$tmp/sql" || continue
    while read -r line; do
        problem "SQL outside lib/ledger, lib/pg and migrations: $line"
    done <"$tmp/sql"
done

if [ -x "$bin/heimdex-supervisor" ]; then
    # asan's programs are judged like the others: ldd follows what the libraries need
    linked=$(ldd "$bin/heimdex-supervisor") || problem "ldd $bin/heimdex-supervisor failed"
    for library in librdkafka libpq; do
        case $linked in *"$library".so*) problem "heimdex-supervisor is linked with $library" ;; esac
    done
fi

if [ -f "$tmp/problems" ]; then
    echo "layers: $(wc -l <"$tmp/problems") problems" >&2
    exit 1
fi
echo "layers: $files files keep to their layers"
