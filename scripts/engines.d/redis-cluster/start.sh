#!/bin/sh
# For the container of scripts/compose.yaml: three Redis servers on 7001, 7002, 7003, made one cluster at the first start.
set -e
for port in 7001 7002 7003; do
  mkdir -p "/data/$port"
  redis-server --port "$port" --dir "/data/$port" --appendonly yes --save "" --protected-mode no \
    --cluster-enabled yes --cluster-node-timeout 15000 --cluster-announce-ip 127.0.0.1 &
done
for port in 7001 7002 7003; do
  until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done
done
if [ ! -e /data/made ]; then
  redis-cli --cluster create 127.0.0.1:7001 127.0.0.1:7002 127.0.0.1:7003 --cluster-yes
  touch /data/made
fi
wait
