# shellcheck shell=bash
# versitygw, an S3 server over plain files (Apache-2.0). It has no versions and no lifecycle rules.
VERSITYGW=v1.8.0

engine_version() { echo $VERSITYGW; }

engine_install() { cached "versitygw-$VERSITYGW" go_install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"; }

# The sidecar keeps metadata where extended attributes are not to be had; neither folder's path may begin with the other's.
engine_start() {
  mkdir -p "$DIR/data" "$DIR/meta"
  ROOT_ACCESS_KEY=$S3_KEY ROOT_SECRET_KEY=$S3_SECRET \
    launch "$1" "$CACHE/versitygw-$VERSITYGW/bin/versitygw" --port "127.0.0.1:$(port)" --region "$S3_REGION" posix --sidecar "$DIR/meta" "$DIR/data"
}

engine_ready() { [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port)/")" = 403 ]; }

engine_prepare() { bucket "$(port)"; }

engine_url() { echo "s3://$S3_BUCKET?endpoint=http://127.0.0.1:$(port)&path-style=true"; }
