# shellcheck shell=bash
# nginx, with the configuration that WEIR_NGINX_CONF names, or one that only says it is there. The script adds `daemon off`
# and a folder of its own (-p), so a configuration's relative paths (pid, temporary folders, logs) end there.
IMAGE=nginx:1.22

engine_version() { nginx -v 2>&1 | sed 's/.*nginx.\([0-9.]*\).*/\1/'; }

engine_install() { debian /usr/sbin/nginx nginx-light; }

nginx_conf() {
  cat <<CONF
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  server {
    listen 127.0.0.1:$(port);
    location = /health { return 200 "ok\n"; }
    location = /status { stub_status; }
  }
}
CONF
}

engine_start() {
  local conf=${WEIR_NGINX_CONF:-}
  mkdir -p "$DIR/tmp"
  if [ -z "$conf" ]; then
    conf=$DIR/nginx.conf
    nginx_conf >"$conf"
  fi
  conf=$(realpath "$conf")
  nginx -t -q -e stderr -p "$DIR" -c "$conf" >"$DIR/test.log" 2>&1 || failed test "nginx refuses $conf"
  echo "$conf" >"$DIR/conf"
  launch "$1" nginx -e stderr -p "$DIR" -c "$conf" -g 'daemon off;'
}

# A configuration from elsewhere listens where it likes: that nginx has workers is all that can be told of it.
engine_ready() {
  local pid
  if [ "$(cat "$DIR/conf")" = "$DIR/nginx.conf" ]; then
    curl -fsS -m 2 "http://127.0.0.1:$(port)/health"
  else
    pid=$(pid_of 1) && [ "$(tree "$pid" | wc -l)" -gt 1 ]
  fi
}

engine_url() { echo "http://127.0.0.1:$(port)"; }
