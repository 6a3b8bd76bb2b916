#!/bin/sh
# Makes each secret that does not exist yet. SECRETS and OWNER are set by tests.
set -eu
umask 077
folder=${SECRETS:-/secrets}
owner=${OWNER:-10001:10001}

# Renamed when it is whole, so that a start that is cut off leaves no empty secret.
keep() {
    test -s "$1" || { cat > "$1.new" && mv "$1.new" "$1"; }
}
random() {
    python -c 'import secrets; print(secrets.token_hex(32))'
}

random | keep "$folder/database/password"
printf 'postgresql://dodona:%s@postgres/dodona\n' "$(cat "$folder/database/password")" | keep "$folder/database/url"
random | keep "$folder/server/token"
chown -R "$owner" "$folder/database" "$folder/server" "$folder/worker"
