# shellcheck shell=bash
# FerretDB on our PostgreSQL (database ferretdb): MongoDB's protocol over SQL. Known gaps: updates are not atomic, no $lookup,
# no TTL and no partial indexes. Its own command does not build as a package, so ferretdb/main.go runs it as a library.
FERRETDB=v1.24.2
FERRETDB_SRC=$HERE/engines.d/ferretdb

engine_version() { echo $FERRETDB; }

engine_install() { cached "$(main_name)" build_ferretdb; }

main_name() { echo "ferretdb-$FERRETDB-$(digest "$FERRETDB_SRC"/*)"; }

build_ferretdb() {
  need_go
  mkdir "$1/src" "$1/bin"
  cp "$FERRETDB_SRC/main.go" "$1/src/main.go"
  cp "$FERRETDB_SRC/go.mod" "$1/src/go.mod"
  (cd "$1/src" && GOWORK=off go mod tidy && GOWORK=off go build -o "$1/bin/ferretdb" .)
  rm -rf "$1/src"
}

engine_needs() { echo postgres; }

engine_start() {
  local pg
  pg=$(load postgres && port)
  PGPASSWORD=weir timeout 60 psql -h 127.0.0.1 -p "$pg" -U weir -d weir -XAtc "SELECT 1 FROM pg_database WHERE datname = 'ferretdb'" | grep -q 1 ||
    PGPASSWORD=weir timeout 60 psql -h 127.0.0.1 -p "$pg" -U weir -d weir -Xqc 'CREATE DATABASE ferretdb'
  mkdir -p "$DIR/state"
  launch "$1" "$CACHE/$(main_name)/bin/ferretdb" "127.0.0.1:$(port)" "postgres://weir:weir@127.0.0.1:$pg/ferretdb"
}

engine_ready() { mongo_pings "$(port)"; }

engine_url() { echo "mongodb://127.0.0.1:$(port)"; }
