# shellcheck shell=bash
# versitygw, an S3 server over plain files (Apache-2.0). It has no versions and no lifecycle rules.
VERSITYGW=v1.8.0
IMAGE=versity/versitygw:$VERSITYGW

engine_version() { echo $VERSITYGW; }

engine_install() { cached "versitygw-$VERSITYGW" go_install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"; }

# Metadata is in extended attributes of the object's file (ext4, xfs, btrfs). With --sidecar it is a file apart, written first: a
# reader between the two gets the new ETag with the old bytes, and a put with If-Match then loses an update.
engine_start() {
  mkdir -p "$DIR/data"
  ROOT_ACCESS_KEY=$S3_KEY ROOT_SECRET_KEY=$S3_SECRET \
    launch "$1" "$CACHE/versitygw-$VERSITYGW/bin/versitygw" --port "127.0.0.1:$(port)" --region "$S3_REGION" --keep-alive posix "$DIR/data"
}

engine_ready() { [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port)/")" = 403 ]; }

engine_prepare() { bucket "$(port)"; }

engine_url() { echo "s3://$S3_BUCKET?endpoint=http://127.0.0.1:$(port)&path-style=true"; }
