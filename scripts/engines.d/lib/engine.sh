# shellcheck shell=bash
# An engine is a file NAME.sh in the folder above, loaded in a subshell of its own with ENGINE, its name, and DIR, its data
# folder, and PLACE, where a server that has a user of its own keeps its data: DIR, unless that user cannot enter it. The file sets
#   IMAGE             the image of the same version for scripts/compose.yaml ("" if there is none)
#   PARTS             its processes' names, (1) if it is one process
#   WAIT              how long a start may take, seconds (120)
#   STOP_SIGNAL       what stops it gracefully (TERM)
# and defines
#   engine_version    prints the version
#   engine_install    downloads or builds what is missing
#   engine_start N    starts part N by `launch N COMMAND...`; everything before that is quick and may run again
#   engine_ready      true when all parts answer
#   engine_prepare    makes what tests expect to be there (a bucket, a cluster); runs at each `up` (optional)
#   engine_url        prints the URL
#   engine_needs      prints the engines that must be up before (optional)

S3_KEY=weir-test S3_SECRET=weir-test-secret S3_REGION=us-east-1 S3_BUCKET=weir-test
EMPTY_SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
COMPOSE= # set while the URLs of scripts/compose.yaml are printed

say() { echo "$*" >&2; }
die() {
  say "engines: $*"
  exit 1
}

# load NAME makes this shell the engine's.
load() {
  ENGINE=$1 DIR=$DATA/$1 PLACE=$DATA/$1 PARTS=(1) WAIT=120 STOP_SIGNAL=TERM IMAGE="" AS=()
  VARIABLE=WEIR_TEST_$(upper "$1")
  [ ! -f "$DIR/elsewhere" ] || [ "$(<"$DIR/elsewhere")" != "$(elsewhere)" ] || PLACE=$(elsewhere)
  engine_prepare() { :; }
  engine_needs() { :; }
  case $1 in
    postgres*) . "$HERE/engines.d/postgres.sh" ;;
    kafka*) . "$HERE/engines.d/kafka.sh" ;;
    *) . "$HERE/engines.d/$1.sh" ;;
  esac
}

upper() {
  local s=${1^^}
  echo "${s//[-.]/_}"
}

# lock waits for the engine's turn: one command at a time works on an engine. The lock ends with this subshell.
lock() {
  mkdir -p "$DIR"
  [ -e "$DATA/go.mod" ] || echo "module engines.data" >"$DATA/go.mod" # else Go takes what is stored in it for packages
  exec 9>"$DIR/lock"
  flock -w 900 9 || die "another command has worked on $ENGINE for 15 minutes"
}
