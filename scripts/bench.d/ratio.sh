# shellcheck shell=bash
# The byte hit ratio of caches of one size, for the same traces. Sourced by scripts/bench. Settings, of the environment:
#
#   RATIO_MB=96          the size of every cache (weir takes 80 at least)
#   REQUESTS=60000       of each trace
#   TRACES="films:4 clips:4 live:8 mixed:8 tail:32"   traces of weir bench replay, each with its scale


# watch_store writes the most that nginx's cache took, every 0.1 s.
watch_store() {
  local now most=0
  while :; do
    now=$(scripts/peers stored nginx 2>/dev/null | head -n 1 || true)
    if [ "${now:-0}" -gt "$most" ]; then
      most=$now
      echo "$most" >"$work/most"
    fi
    sleep 0.1
  done
}

ratio() {
  local entry trace scale s out rows ours lru best most watcher
  export WEIR_PEERS_CACHE_MB=${RATIO_MB:-96}
  traces=${TRACES:-films:4 clips:4 live:8 mixed:8 tail:32}
  SECONDS_EACH=600
  echo "# byte hit ratio, $(date -u '+%Y-%m-%d %H:%M')"
  echo
  echo "$(nproc) cores, Linux $(uname -r); weir $("$weir" version | head -n 1), $(scripts/peers versions | paste -sd, | sed 's/,/, /g'). Each cache begins empty, holds"
  echo "$WEIR_PEERS_CACHE_MB MiB, and is asked over HTTP for the same ${REQUESTS:-60000} segments in the same order, 8 at a time, before one origin. The ratio is"
  echo "1 - bytes the origin sent / bytes clients got, the cold beginning included. LRU is a simulation of the same requests, of $WEIR_PEERS_CACHE_MB MiB of bodies"
  echo "without any bookkeeping. nginx: max_size, its manager kept awake (scripts/peers); the most that its files took is given. Varnish: malloc. weir: --origin, all in one class."
  echo
  echo "Command: \`RATIO_MB=$WEIR_PEERS_CACHE_MB REQUESTS=${REQUESTS:-60000} TRACES=\"$traces\" scripts/bench ratio\`"
  echo
  echo "| trace | scale | LRU | weir | nginx | Varnish | weir of LRU | weir of nginx | nginx's files, most |"
  echo "|---|---|---|---|---|---|---|---|---|"
  for entry in $traces; do
    trace=${entry%:*} scale=${entry#*:} lru=0 most=-
    declare -A got=([weir]=- [nginx]=- [varnish]=-)
    for s in $servers; do # one at a time, each from empty
      up_only "$s"
      watcher=
      if [ "$s" = nginx ]; then
        awake
        rm -f "$work/most"
        watch_store &
        watcher=$!
      fi
      "$weir" bench replay "$(open_url "$s")" --origin "$ORIGIN" --trace "$trace" --scale "$scale" --requests "${REQUESTS:-60000}" \
        --cache "${WEIR_PEERS_CACHE_MB}MiB" -c 8 --for "${SECONDS_EACH}s" --name "$s" --out "$work/ratio.json" --json >/dev/null ||
        echo "bench: $s failed what $trace demands: $(jq -c '[.checks[] | select(.ok | not)]' "$work/ratio.json")" >&2
      got[$s]=$(jq -r '.settings["byte hit ratio"]' "$work/ratio.json")
      lru=$(jq -r '.settings["byte hit ratio of LRU"]' "$work/ratio.json")
      if [ -n "$watcher" ]; then
        kill "$watcher"
        wait "$watcher" 2>/dev/null || true
        most="$(awk '{ printf "%.0f MiB", $1 / 1048576 }' "$work/most" 2>/dev/null || echo -)"
      fi
      down_only
    done
    echo "| $trace | $scale | $lru | ${got[weir]} | ${got[nginx]} | ${got[varnish]} | $(div "${got[weir]/-/0}" "$lru") | $(div "${got[weir]/-/0}" "${got[nginx]/-/0}") | $most |"
  done
}

# up_only SERVER starts an origin and one server before it; down_only stops both.
up_only() {
  work=${work:-$(mktemp -d)}
  trap stop_all EXIT
  start_origin
  case $1 in
    weir*) start_weir "$1" --tickets=off ;;
    *) scripts/peers up "$1" "$ORIGIN" >&2 ;;
  esac
}

# awake gives nginx's manager work and waits until it does it: it first sleeps 10 s (scripts/peers).
awake() {
  local i before=0 now
  "$weir" bench hot "$(open_url nginx)/bench/1k/awake.m4s" --for 2s -c 8 --json >/dev/null
  for i in $(seq 200); do
    now=$(scripts/peers stored nginx | tail -n 1)
    [ "$now" -ge "$before" ] || return 0
    before=$now
    sleep 0.1
  done
  echo "bench: nginx's manager does nothing: its cache will be larger than it should" >&2
}

down_only() {
  local p
  for p in "${weir_pids[@]}" "${origin_pid:-}"; do
    [ -z "$p" ] || { kill "$p" && wait "$p"; } 2>/dev/null || true
  done
  weir_pids=() origin_pid=''
  scripts/peers down >&2
  rm -rf "$work"/weir*
}

# open_url SERVER: what stands before /bench/ where nobody asks for a ticket.
open_url() {
  case $1 in
    weir*) echo "${weir_edge[$1]}" ;;
    nginx) scripts/peers url nginx /open | sed 's/?.*//' ;;
    varnish) scripts/peers url varnish "" ;;
  esac
}
