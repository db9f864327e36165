# shellcheck shell=bash
# Side-by-side runs of weir's edge, nginx and Varnish before one origin. Sourced by scripts/bench, which runs
# `bench hit`, `herd`, `wrk`, `faults` and `page`. Settings, all of the environment:
#
#   SECONDS_EACH=8       how long each measurement takes (CI: 2)
#   RUNS=5               runs of each cell, one server after the other; the median counts
#   SERVERS="weir nginx varnish" (hit: weir-huge and weir-small)   SIZES="1m 256k 64k 1500"   CONNECTIONS="8 512"   CLIENTS="copy discard"
#   COUNT=1              objects a cell of hit asks for in turn: one stays in the processor's cache, 200 of 1 MB do not
#   HERDS="50 1000"      clients of a herd
#   WEIR_FLAGS           further flags of the weir that is measured; the same for all cells
#   WEIR_TICKET          a native ticket for bench/ that this weir takes, if it cannot be asked for one

weir=${WEIR_BIN:-bin/weir}

# start_origin [FLAGS] starts bench's origin and sets ORIGIN.
start_origin() {
  coproc ORIGIN_PROCESS { exec "$weir" bench origin --listen 127.0.0.1:0 "$@"; }
  origin_pid=$ORIGIN_PROCESS_PID
  read -r ORIGIN <&"${ORIGIN_PROCESS[0]}" || { echo "bench: the origin did not start" >&2; exit 1; }
}

declare -A weir_edge weir_ticket weir_pids

# start_weir NAME [FLAGS] starts an edge before the origin, with tickets on, and fills the tables above.
start_weir() {
  local name=$1 line='' i
  shift
  # shellcheck disable=SC2086
  "$weir" serve --roles=edge --origin "$ORIGIN" --json --log-level warn --data "$work/$name" \
    --edge-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --listen 127.0.0.1:0 --cache-bytes "${WEIR_PEERS_CACHE_MB:-1024}MiB" "$@" ${WEIR_FLAGS:-} >"$work/$name.ready" &
  weir_pids[$name]=$!
  for i in $(seq 300); do
    read -r line <"$work/$name.ready" && break
    kill -0 "${weir_pids[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$line" ] || { echo "bench: $name did not start" >&2; exit 1; }
  weir_edge[$name]=http://$(jq -re '.edge // .Edge' <<<"$line" | sed 's#^https*://##')
  [ "$name" != weir-tls ] || weir_edge[$name]=${weir_edge[$name]/http:/https:}
  case " $* ${WEIR_FLAGS:-} " in
    *" --tickets=off "*) weir_ticket[$name]= ;;
    *)
      weir_ticket[$name]=${WEIR_TICKET:-$("$weir" keys ticket bench/ --admin "$(jq -re .admin <<<"$line")")} || {
        echo "bench: no ticket for bench/: set WEIR_TICKET, or WEIR_FLAGS=--tickets=off to measure without" >&2
        exit 1
      }
      ;;
  esac
}

# flags_of a weir by its name.
flags_of() {
  case $1 in
    weir-huge) echo --cache-pages huge ;;
    weir-small) echo --cache-pages small ;;
    weir-tls) echo --edge-cert "$PWD/bin/bench-cert.pem" --edge-key "$PWD/bin/bench-key.pem" ;;
  esac
}

up() {
  local s
  work=$(mktemp -d)
  trap stop_all EXIT
  scripts/tools peers
  start_origin "$@"
  for s in $servers; do
    # shellcheck disable=SC2046
    [[ $s != weir* ]] || start_weir "$s" $(flags_of "$s")
  done
  [[ " $servers " != *" nginx "* ]] || scripts/peers up nginx "$ORIGIN" >&2
  [[ " $servers " != *" varnish "* ]] || scripts/peers up varnish "$ORIGIN" >&2
  eval "$(scripts/peers env)"
}

stop_all() {
  [ ${#weir_pids[@]} -eq 0 ] || kill "${weir_pids[@]}" 2>/dev/null || true
  [ -z "${origin_pid:-}" ] || kill "$origin_pid" 2>/dev/null || true
  scripts/peers down
  wait
  rm -rf "$work"
}

# url SERVER PATH with the right that the server asks for
url() {
  case $1 in
    weir*) echo "${weir_edge[$1]}${weir_ticket[$1]:+/t/${weir_ticket[$1]}}$2" ;;
    *) scripts/peers url "$1" "$2" ;;
  esac
}

pid() {
  case $1 in
    weir*) echo "${weir_pids[$1]}" ;;
    nginx*) echo "$WEIR_NGINX_PID" ;;
    varnish) echo "$WEIR_VARNISH_PID" ;;
  esac
}

# median reads numbers, one a line.
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; else print 0 }'; }

# of FIELD SERVER: the median of a figure over the runs of a cell; FIELD is a jq expression on a result.
of() { for f in "$work/cell/$2".*.json; do jq -r "$1" "$f"; done | median; }

per_cpu='if .cpu.server > 0 then .bytes * 8e-9 / .cpu.server else 0 end'
requests_per_cpu='if .cpu.server > 0 then .requests / .cpu.server else 0 end'
gbps='.bytes * 8e-9 / .seconds'

num() { awk -v v="$1" 'BEGIN { printf (v >= 100) ? "%.0f" : (v >= 10) ? "%.1f" : "%.2f", v }'; }
div() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }

# better FIELD: the largest median of the peers. fewer FIELD: the smallest.
better() { for s in $peers; do of "$1" "$s"; done | sort -g | tail -n 1; }

head_of() {
  echo "# $1, $(date -u '+%Y-%m-%d %H:%M')"
  echo
  echo "$(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r), client, caches and origin on one machine; weir"
  echo "$("$weir" version | head -n 1), $(scripts/peers versions | paste -sd, | sed 's/,/, /g'). Runs alternate between the servers; each figure is the median"
  echo "of $RUNS runs of $SECONDS_EACH s. CPU-seconds are the kernel's, of the server's process and its children. nginx: proxy_cache in memory,"
  echo "secure_link, sendfile, open_file_cache; Varnish: malloc, no tickets (scripts/peers). weir: \`serve --roles=edge --origin\`, tickets $([[ "${WEIR_FLAGS:-}" = *--tickets=off* ]] && echo off || echo on)${WEIR_FLAGS:+, $WEIR_FLAGS}."
  echo "Huge pages for shared memory: $(cat /sys/kernel/mm/transparent_hugepage/shmem_enabled 2>/dev/null || echo unknown)."
  echo
  [ "${COUNT:-1}" = 1 ] || echo "Objects asked for in turn: $COUNT (COUNT=$COUNT)."
  echo "Command: \`SECONDS_EACH=$SECONDS_EACH RUNS=$RUNS scripts/bench $2\`"
  echo
}

# run_cell PATH CONNECTIONS CLIENT SERVERS... measures a cell: every server in turn, RUNS times.
run_cell() {
  local path=$1 connections=$2 client=$3 i s urls
  shift 3
  rm -rf "$work/cell"
  mkdir -p "$work/cell"
  for s in "$@"; do # nginx signs every address by itself
    for i in $(seq 0 $((${COUNT:-1} - 1))); do url "$s" "${path//\{n\}/$i}"; done >"$work/cell/$s.urls"
  done
  for i in $(seq "$RUNS"); do
    for s in "$@"; do
      mapfile -t urls <"$work/cell/$s.urls"
      "$weir" bench hot "${urls[@]}" --for "${SECONDS_EACH}s" --warm 2 -c "$connections" --client "$client" \
        --server-pid "$(pid "$s")" --name "$s" --out "$work/cell/$s.$i.json" --json >/dev/null
    done
  done
}

hit() {
  local size connections client s name unit
  up
  peers=$(tr ' ' '\n' <<<"$servers" | grep -v '^weir' | xargs)
  head_of "hit path" hit
  echo "| object | connections | client | server | Gbps | requests/s | Gb per CPU-s | requests per CPU-s | p99 ms | of the better peer |"
  echo "|---|---|---|---|---|---|---|---|---|---|"
  for size in $SIZES; do
    name=hit-{n}.m4s unit=$per_cpu
    [ "$size" != 1500 ] || name=hit-{n}.m3u8 unit=$requests_per_cpu
    for connections in $CONNECTIONS; do
      for client in $CLIENTS; do
        # shellcheck disable=SC2086
        run_cell "/bench/$size/$name" "$connections" "$client" $servers
        for s in $servers; do
          echo "| $size | $connections | $client | $s | $(num "$(of "$gbps" "$s")") | $(num "$(of '.requests / .seconds' "$s")") | $(num "$(of "$per_cpu" "$s")") | $(num "$(of "$requests_per_cpu" "$s")") | $(num "$(of '.kinds[0].total.p99_ms' "$s")") | $(div "$(of "$unit" "$s")" "$(better "$unit")") |"
        done
      done
    done
  done
  tls
}

# tls compares with nginx's TLS; weir has nginx's certificate.
tls() {
  local size s list="weir-tls nginx-tls"
  [[ " $servers " = *" nginx "* && " $servers " = *" weir"* ]] || return 0
  cp "${WEIR_PEERS_DATA:-data/peers}/nginx/cert.pem" bin/bench-cert.pem
  cp "${WEIR_PEERS_DATA:-data/peers}/nginx/key.pem" bin/bench-key.pem
  # shellcheck disable=SC2046
  start_weir weir-tls $(flags_of weir-tls)
  echo
  echo "TLS 1.3, 8 connections, client copies (it decrypts):"
  echo
  echo "| object | server | Gbps | Gb per CPU-s | of nginx |"
  echo "|---|---|---|---|---|"
  for size in $SIZES; do
    # shellcheck disable=SC2086
    run_cell "/bench/$size/hit.m4s" 8 copy $list
    for s in $list; do
      echo "| $size | $s | $(num "$(of "$gbps" "$s")") | $(num "$(of "$per_cpu" "$s")") | $(div "$(of "$per_cpu" "$s")" "$(of "$per_cpu" nginx-tls)") |"
    done
  done
}

herd() {
  local clients i s path
  up --delay 150ms
  peers=$(tr ' ' '\n' <<<"$servers" | grep -v '^weir' | xargs)
  head_of "cold herd" herd
  echo "All clients ask for one URL that is in no cache; the origin waits 150 ms, then sends 1 MB. Every body is compared. ms from the moment of asking."
  echo
  echo "| clients | server | first byte p50 | p99 | whole p50 | p99 | origin reads | wrong or failed | first byte p50 of Varnish's | of nginx's |"
  echo "|---|---|---|---|---|---|---|---|---|---|"
  for clients in $HERDS; do
    rm -rf "$work/cell"
    mkdir -p "$work/cell"
    for i in $(seq "$RUNS"); do
      for s in $servers; do
        path=/bench/1m/$s-$clients-$i-$RANDOM/cold.m4s
        "$weir" bench herd "$(url "$s" "$path")" -c "$clients" --for 60s --origin "$ORIGIN" --name "$s" --out "$work/cell/$s.$i.json" \
          --server-pid "$(pid "$s")" --json >/dev/null || true # what it found is in the result
      done
    done
    for s in $servers; do
      echo "| $clients | $s | $(num "$(of '.kinds[0].ttfb.p50_ms' "$s")") | $(num "$(of '.kinds[0].ttfb.p99_ms' "$s")") | $(num "$(of '.kinds[0].total.p50_ms' "$s")") | $(num "$(of '.kinds[0].total.p99_ms' "$s")") | $(of '.checks[0].got | split(" ")[0]' "$s") | $(of '[.errors[]] | add // 0' "$s") | $(ratio_to varnish "$s") | $(ratio_to nginx "$s") |"
    done
  done
}

ratio_to() {
  if [[ " $servers " = *" $1 "* ]]; then div "$(of '.kinds[0].ttfb.p50_ms' "$2")" "$(of '.kinds[0].ttfb.p50_ms' "$1")"; else echo -; fi
}

# cpu_of SERVER: CPU seconds so far, of its process and its descendants.
cpu_of() {
  local root
  root=$(pid "$1")
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed -E 's/^([0-9]+) \(.*\) /\1 /' | awk -v root="$root" '
    { parent[$1] = $3; cpu[$1] = $13 + $14 + $15 + $16 }
    END { for (p in cpu) { q = p; for (d = 0; d < 32 && q != root && q in parent; d++) q = parent[q]; if (q == root) sum += cpu[p] } print sum / 100 }'
}

# wrk asks for the same with wrk and with weir bench, in turn: what both measure must agree.
wrk_agrees() {
  local size s i before after n wrk_per ours worst=0 off
  up
  head_of "weir bench beside wrk" wrk
  echo "8 connections, both copy bodies. What both can measure of a server: requests a server CPU-second. Without 64 KB bodies: there wrk waits"
  echo "for loopback's delayed acknowledgements, which weir bench switches off (bench/discard_linux.go)."
  echo
  echo "| object | server | wrk: requests per CPU-s | weir bench | difference % | wrk: requests/s | weir bench |"
  echo "|---|---|---|---|---|---|---|"
  for size in $SIZES; do
    for s in $servers; do
      rm -rf "$work/cell" "$work/wrk" "$work/wrk-rate"
      mkdir -p "$work/cell"
      for i in $(seq "$RUNS"); do
        before=$(cpu_of "$s")
        wrk -t 1 -c 8 -d "${SECONDS_EACH}s" "$(url "$s" "/bench/$size/wrk.m4s")" >"$work/wrk.out"
        after=$(cpu_of "$s")
        n=$(awk '/requests in/ { print $1 }' "$work/wrk.out")
        div "$n" "$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b }')" >>"$work/wrk" && echo >>"$work/wrk"
        awk '/Requests\/sec/ { print $2 }' "$work/wrk.out" >>"$work/wrk-rate"
        "$weir" bench hot "$(url "$s" "/bench/$size/wrk.m4s")" --for "${SECONDS_EACH}s" --warm 1 -c 8 --client copy --server-pid "$(pid "$s")" \
          --name "$s" --out "$work/cell/$s.$i.json" --json >/dev/null
      done
      wrk_per=$(median <"$work/wrk") ours=$(of "$requests_per_cpu" "$s")
      off=$(awk -v a="$ours" -v b="$wrk_per" 'BEGIN { printf "%.1f", (a / b - 1) * 100 }')
      worst=$(awk -v a="$off" -v w="$worst" 'BEGIN { if (a < 0) a = -a; print (a > w) ? a : w }')
      echo "| $size | $s | $(num "$wrk_per") | $(num "$ours") | $off | $(num "$(median <"$work/wrk-rate")") | $(num "$(of '.requests / .seconds' "$s")") |"
    done
  done
  echo
  echo "Largest difference: $worst %."
}

# faults puts every cache before an origin that breaks at random; what a client is handed whole must be right.
faults() {
  local s i urls RUNS=1
  up --faults all --share 0.3 --stall 1s --max-age 1s
  head_of "origin faults" faults
  echo "A third of the origin's answers is truncated, reset, cut within chunks, stopped for 1 s, of a wrong length, or 503. Fifty objects of"
  echo "200 KB that are fresh for 1 s, 16 connections, every body compared."
  echo
  echo "| server | right bodies | corrupt | silently short | visibly broken | origin reads |"
  echo "|---|---|---|---|---|---|"
  mkdir -p "$work/cell"
  for s in $servers; do
    urls=()
    for i in $(seq 50); do urls+=("$(url "$s" "/bench/200k/$s/$i.m4s")"); done
    curl -s -X DELETE "$ORIGIN/-/reads"
    "$weir" bench faults "${urls[@]}" -c 16 --for "${SECONDS_EACH}s" --name "$s" --out "$work/cell/$s.1.json" --json >/dev/null || true # it is in the result
    echo "| $s | $(of .requests "$s") | $(of '.errors.corrupt // 0' "$s") | $(of '.errors["silently-short"] // 0' "$s") | $(of '.errors | del(.corrupt, .["silently-short"]) | add // 0' "$s") | $(curl -s "$ORIGIN/-/reads?path=-" | jq .total) |"
  done
}

# page makes the page with charts: 256 KB objects, an open loop at RATE (or all that goes), every server.
page() {
  local s files=()
  up
  for s in $servers; do
    "$weir" bench hot "$(url "$s" "/bench/${SIZE:-256k}/page.m4s")" --for "${SECONDS_EACH}s" --warm 2 -c 32 --rate "${RATE:-2000}" --client discard \
      --server-pid "$(pid "$s")" --name "$s" --out "$work/$s.json" --json >/dev/null || true # what it found is in the result
    files+=("$work/$s.json")
  done
  "$weir" bench compare "${files[@]}" --report "${1:-bin/bench.html}"
  echo "The page is ${1:-bin/bench.html}" >&2
  picture "${1:-bin/bench.html}" "${PICTURE:-bin/bench.png}"
}

# picture HTML PNG takes the README's screenshot: make docs/images/bench.png of one with PICTURE=.
picture() {
  local profile
  profile=$(mktemp -d)
  timeout 60 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --window-size=1280,1600 \
    --screenshot="$(realpath -m "$2")" "file://$(realpath "$1")" >/dev/null 2>&1 || echo "bench: Chromium made no picture" >&2
  rm -rf "$profile"
  [ ! -e "$2" ] || echo "The picture is $2, $(stat -c %s "$2") bytes" >&2
}

# churn opens a connection for every request.
churn() {
  local s i
  up
  peers=$(tr ' ' '\n' <<<"$servers" | grep -v '^weir' | xargs)
  head_of "churn" churn
  echo "Playlists of 1,500 bytes, a new connection for each, 64 at once."
  echo
  echo "| server | requests/s | requests per CPU-s | p99 ms | failed | of the better peer |"
  echo "|---|---|---|---|---|---|"
  rm -rf "$work/cell"
  mkdir -p "$work/cell"
  for i in $(seq "$RUNS"); do
    for s in $servers; do
      "$weir" bench churn "$(url "$s" /bench/1500/churn.m3u8)" --for "${SECONDS_EACH}s" --warm 1 -c 64 --server-pid "$(pid "$s")" --name "$s" \
        --out "$work/cell/$s.$i.json" --json >/dev/null || true # what it found is in the result
    done
  done
  for s in $servers; do
    echo "| $s | $(num "$(of '.requests / .seconds' "$s")") | $(num "$(of "$requests_per_cpu" "$s")") | $(num "$(of '.kinds[0].total.p99_ms' "$s")") | $(of '[.errors[]] | add // 0' "$s") | $(div "$(of "$requests_per_cpu" "$s")" "$(better "$requests_per_cpu")") |"
  done
}

# side_by_side NAME runs one of the above and keeps what it wrote.
side_by_side() {
  [ "$1" != wrk ] || SIZES=${SIZES:-1m 256k 1500}
  SECONDS_EACH=${SECONDS_EACH:-8} RUNS=${RUNS:-5} SIZES=${SIZES:-1m 256k 64k 1500} CONNECTIONS=${CONNECTIONS:-8 512} CLIENTS=${CLIENTS:-copy discard} HERDS=${HERDS:-50 1000}
  servers=${SERVERS:-weir nginx varnish}
  [ "$1" != hit ] || servers=${SERVERS:-weir-huge weir-small nginx varnish}
  [ "${WEIR_BENCH_BUILT:-}" = 1 ] || make --no-print-directory -s build
  ulimit -n "$(ulimit -Hn)" # a herd is a socket each, on both sides
  local out=${OUT:-bench/results/$(date -u +%Y-%m-%d)-$1.md}
  case $1 in
    hit | herd | faults | ratio | churn) "$1" >"$out.part" ;;
    wrk) wrk_agrees >"$out.part" ;;
    page)
      page "${2:-}"
      return
      ;;
  esac
  mv "$out.part" "$out"
  cat "$out"
}
