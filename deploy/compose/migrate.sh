#!/bin/sh
# Upgrades the schema, and makes the token of the sample worker. SECRETS is set by tests.
set -eu
umask 077
token=${SECRETS:-/secrets}/worker/token

dodona db upgrade
if ! test -s "$token"; then
    dodona tokens create compose-worker --role worker > "$token.new"
    mv "$token.new" "$token"
fi
