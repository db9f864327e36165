# shellcheck shell=bash
# Redis Cluster: three masters, no replicas. One that is down takes its third of the keys with it.
IMAGE=redis:7.0
PARTS=(1 2 3)

engine_version() { redis-server --version | sed -n 's/.* v=\([^ ]*\).*/\1/p'; }

engine_install() { debian /usr/bin/redis-server redis-server; }

engine_start() {
  mkdir -p "$DIR/data$1"
  launch "$1" redis-server --port "$(port "$1")" --bind 127.0.0.1 --dir "$DIR/data$1" --appendonly yes --save "" --daemonize no \
    --cluster-enabled yes --cluster-port "$(port "bus$1")" --cluster-node-timeout 15000
}

each_node() {
  local p
  for p in "${PARTS[@]}"; do timeout 10 redis-cli -p "$(port "$p")" "$@" || return; done
}

# The file "made" says that the three know each other; without it, a first start was cut short.
engine_ready() {
  if [ -f "$DIR/made" ]; then
    [ "$(each_node cluster info | grep -c '^cluster_state:ok')" = 3 ]
  else
    [ "$(each_node ping | grep -c PONG)" = 3 ]
  fi
}

engine_prepare() {
  local p
  local -a nodes=()
  [ ! -f "$DIR/made" ] || return 0
  each_node flushall >/dev/null
  each_node cluster reset hard >/dev/null
  for p in "${PARTS[@]}"; do nodes+=("127.0.0.1:$(port "$p")@$(port "bus$p")"); done
  redis-cli --cluster create "${nodes[@]}" --cluster-yes >"$DIR/make.log" 2>&1 || failed make "$ENGINE cannot make its cluster"
  touch "$DIR/made"
  until_ready
}

engine_url() {
  local p list=
  for p in "${PARTS[@]}"; do list+=${list:+,}127.0.0.1:$(port "$p"); done
  echo "redis-cluster://$list"
}
