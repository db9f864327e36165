# shellcheck shell=bash
# Redis, one server. Every write is in the append-only file before its answer, so a killed server loses nothing.
IMAGE=redis:7.0

engine_version() { redis-server --version | sed -n 's/.* v=\([^ ]*\).*/\1/p'; }

engine_install() { debian /usr/bin/redis-server redis-server; }

engine_start() {
  mkdir -p "$DIR/data"
  launch "$1" redis-server --port "$(port)" --bind 127.0.0.1 --dir "$DIR/data" --appendonly yes --save "" --daemonize no
}

engine_ready() { [ "$(timeout 3 redis-cli -p "$(port)" ping)" = PONG ]; }

engine_url() { echo "redis://127.0.0.1:$(port)/0"; }
