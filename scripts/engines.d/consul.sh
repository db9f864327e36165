# shellcheck shell=bash
# A Consul agent that is a server of one, with its state on disk: keys, sessions and services outlive a restart.
# 1.13.9 is the last release under the MPL that builds with a current Go.
CONSUL=v1.13.9
IMAGE=hashicorp/consul:${CONSUL#v}

engine_version() { echo $CONSUL; }

engine_install() { cached "consul-$CONSUL" build_consul; }

# build_consul: the module replaces its own parts by folders of its repository, which `go install` refuses. A module with
# the same requirements and without those lines builds it.
build_consul() {
  local dir=$1 src
  need_go
  src=$(cd "$dir" && go mod download -json "github.com/hashicorp/consul@$CONSUL" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  mkdir "$dir/src" "$dir/bin"
  sed -e 's#^module .*#module example.com/consulbuild#' -e '/^replace github.com\/hashicorp\/consul\//d' "$src/go.mod" >"$dir/src/go.mod"
  cat "$src/go.sum" >"$dir/src/go.sum"
  echo "require github.com/hashicorp/consul $CONSUL" >>"$dir/src/go.mod"
  echo 'package tools' >"$dir/src/doc.go"
  (cd "$dir/src" && GOWORK=off go build -mod=mod -o "$dir/bin/consul" github.com/hashicorp/consul)
  rm -rf "$dir/src"
}

engine_start() {
  mkdir -p "$DIR/data"
  cat >"$DIR/consul.json" <<JSON
{
  "server": true,
  "bootstrap_expect": 1,
  "node_name": "weir",
  "data_dir": "$DIR/data",
  "bind_addr": "127.0.0.1",
  "client_addr": "127.0.0.1",
  "ports": {"http": $(port), "server": $(port server), "serf_lan": $(port lan), "serf_wan": -1, "dns": -1, "grpc": -1},
  "performance": {"raft_multiplier": 1},
  "leave_on_terminate": false,
  "disable_update_check": true
}
JSON
  launch "$1" "$CACHE/consul-$CONSUL/bin/consul" agent -config-file "$DIR/consul.json"
}

# Ready is a leader that takes writes, not only an open port.
engine_ready() {
  [[ $(curl -fsS -m 2 "http://127.0.0.1:$(port)/v1/status/leader") == '"127.'* ]] &&
    [ "$(curl -fsS -m 2 -X PUT -d up "http://127.0.0.1:$(port)/v1/kv/weir-engines-ready")" = true ]
}

engine_url() { echo "consul://127.0.0.1:$(port)"; }
