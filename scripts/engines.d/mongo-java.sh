# shellcheck shell=bash
# To come.

engine_version() { echo -; }
engine_install() { die "mongo-java is not here yet"; }
engine_url() { :; }
