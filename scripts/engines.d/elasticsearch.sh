# shellcheck shell=bash
# To come.

engine_version() { echo -; }
engine_install() { die "elasticsearch is not here yet"; }
engine_url() { :; }
