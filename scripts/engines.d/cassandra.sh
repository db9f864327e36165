# shellcheck shell=bash
# To come.

engine_version() { echo -; }
engine_install() { die "cassandra is not here yet"; }
engine_url() { :; }
