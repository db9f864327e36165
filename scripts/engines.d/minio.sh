# shellcheck shell=bash
# MinIO, the S3 server most people run at home. AGPL: a tool of the tests, nothing links it.
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
IMAGE=quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z # the last image that was published; later releases are source only

engine_version() { echo $MINIO; }

engine_install() { cached "minio-$MINIO" go_install "github.com/minio/minio@$MINIO"; }

engine_start() {
  mkdir -p "$DIR/data"
  MINIO_ROOT_USER=$S3_KEY MINIO_ROOT_PASSWORD=$S3_SECRET MINIO_UPDATE=off MINIO_BROWSER=off \
    launch "$1" "$CACHE/minio-$MINIO/bin/minio" server --address "127.0.0.1:$(port)" --console-address "127.0.0.1:$(port console)" "$DIR/data"
}

engine_ready() { curl -fsS -m 2 "http://127.0.0.1:$(port)/minio/health/ready"; }

engine_prepare() { bucket "$(port)"; }

engine_url() { echo "s3://$S3_BUCKET?endpoint=http://127.0.0.1:$(port)&path-style=true"; }
