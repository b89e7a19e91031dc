#!/bin/sh
# Starts PostgreSQL; an empty $PGDATA is initialised first. As in the official image: POSTGRES_PASSWORD,
# POSTGRES_USER (postgres), POSTGRES_DB (as the user), PGDATA. Any other command is run as it is.
#
# While it initialises, no server listens. The new database is made aside, in $PGDATA/initializing, renamed to
# $PGDATA/initialized when it is whole, and moved up from there: an interruption at any moment is made good by
# the next start.
set -eu

say() { printf 'postgres: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
trap 'exit 130' INT TERM

case "${1:-}" in
  -*) set -- postgres "$@" ;;
  postgres) ;;
  *) exec "$@" ;;
esac

: "${PGDATA:?PGDATA is empty; set it to the directory of the database}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
major=$(postgres --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
umask 077

[ "$(id -u)" != 0 ] || fail "doesn't run as root; start the container as user 999"
mkdir -p "$PGDATA" 2>/dev/null || fail "$PGDATA can't be made; let user $(id -u) own the directory above it"
[ -w "$PGDATA" ] || fail "$PGDATA can't be written; let user $(id -u) own it"

# move_up: the last step; PG_VERSION comes last, as it says that all is there.
move_up() {
  find "$PGDATA/initialized" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -f -t "$PGDATA" {} +
  [ ! -e "$PGDATA/initialized/PG_VERSION" ] || mv -f "$PGDATA/initialized/PG_VERSION" "$PGDATA/"
  rmdir "$PGDATA/initialized"
  sync -f "$PGDATA"
}

initialize() {
  strange=$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name initializing | head -n 1)
  [ -z "$strange" ] || fail "$PGDATA is no database but holds $strange; empty it, or set PGDATA to another directory"
  [ -n "${POSTGRES_PASSWORD:-}" ] || fail "POSTGRES_PASSWORD is empty; set the password of user $user"
  new=$PGDATA/initializing
  rm -rf "$new"
  say "initialising $PGDATA"
  printf '%s\n' "$POSTGRES_PASSWORD" |
    initdb --pgdata="$new" --username="$user" --pwfile=/dev/stdin --encoding=UTF8 --locale=C.UTF-8 \
      --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >>"$new/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$new/postgresql.conf"
  if [ "$database" != postgres ]; then
    name=$(printf '%s' "$database" | sed 's/"/""/g')
    printf 'CREATE DATABASE "%s"\n' "$name" |
      postgres --single -D "$new" -c exit_on_error=on postgres >/dev/null
  fi
  sync -f "$new"
  mv "$new" "$PGDATA/initialized"
  move_up
}

if [ -d "$PGDATA/initialized" ]; then
  move_up
elif [ ! -s "$PGDATA/PG_VERSION" ]; then
  initialize
fi

found=$(cat "$PGDATA/PG_VERSION")
[ "$found" = "$major" ] || fail "$PGDATA was written by PostgreSQL $found and this is $major; use an image of" \
  "PostgreSQL $found, or dump the database with one and restore it into an empty directory"

trap - INT TERM
unset POSTGRES_PASSWORD
exec "$@"
