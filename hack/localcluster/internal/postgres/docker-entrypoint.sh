#!/usr/bin/env bash
# Starts PostgreSQL under the contract of the official postgres image; on the first start it makes the database.
set -Eeuo pipefail

say() { printf '%s entrypoint: %s\n' "$(date -u +'%F %T UTC')" "$*"; }
die() { say "$*" >&2; exit 1; }

# from_file NAME [DEFAULT]: NAME may be given as itself or as NAME_FILE, a file that holds it; never as both.
from_file() {
	local name=$1 file_name=$1_FILE
	[[ -z ${!name:-} || -z ${!file_name:-} ]] || die "both $name and $file_name are set; set one of them"
	if [[ -n ${!file_name:-} ]]; then
		export "$name=$(<"${!file_name}")"
	else
		export "$name=${!name:-${2:-}}"
	fi
	unset "$file_name"
}

make_folders() {
	mkdir -p "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"}
	# A mounted folder may belong to another user and be writable by our group all the same.
	chmod 0700 "$PGDATA" 2>/dev/null || true
	chmod 03775 /var/run/postgresql 2>/dev/null || true
	if [[ $(id -u) == 0 ]]; then
		find "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} \
			\! -user postgres -exec chown postgres:postgres '{}' +
	fi
}

check_password() {
	if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
		die "a new database needs POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE). POSTGRES_HOST_AUTH_METHOD=trust would let everybody in without one."
	fi
	if [[ $POSTGRES_HOST_AUTH_METHOD == trust ]]; then
		say "warning: POSTGRES_HOST_AUTH_METHOD=trust lets everybody in who reaches the port, without a password" >&2
	fi
}

# initdb refuses to run for a user without a name; an arbitrary user id gets one for as long as it runs.
make_database_files() {
	(
		if ! getent passwd "$(id -u)" >/dev/null; then
			names=$(mktemp -d)
			trap 'rm -rf "$names"' EXIT
			echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$names/passwd"
			echo "postgres:x:$(id -g):" >"$names/group"
			export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$names/passwd NSS_WRAPPER_GROUP=$names/group
		fi
		# The arguments are written as on a command line, quotes included.
		eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD")' \
			${POSTGRES_INITDB_WALDIR:+'--waldir="$POSTGRES_INITDB_WALDIR"'} "$POSTGRES_INITDB_ARGS" '"$@"'
	)
}

allow_network_clients() { # the arguments are those of the server, which may change how passwords are stored
	local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# While the database is being made, the server listens on its local socket alone.
start_local_server() {
	NOTIFY_SOCKET='' PGUSER=${PGUSER:-$POSTGRES_USER} \
		pg_ctl --pgdata="$PGDATA" --options="$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")" --wait start
}
stop_local_server() {
	PGUSER=${PGUSER:-postgres} pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
}

run_sql() { # psql as init scripts want it: to the new database, ending at the first error
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc \
		${POSTGRES_DB:+--dbname "$POSTGRES_DB"} "$@"
}

create_database() {
	local there
	there=$(POSTGRES_DB='' run_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only \
		<<<"SELECT 1 FROM pg_database WHERE datname = :'db';")
	if [[ -z ${there//[[:space:]]/} ]]; then
		POSTGRES_DB='' run_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
	fi
}

run_init_scripts() {
	local script
	for script; do
		case $script in
		*.sh)
			if [[ -x $script ]]; then
				say "running $script"
				"$script"
			else
				say "sourcing $script"
				# shellcheck source=/dev/null
				. "$script"
			fi
			;;
		*.sql) say "running $script" && run_sql --file "$script" ;;
		*.sql.gz) say "running $script" && gunzip --stdout "$script" | run_sql ;;
		*.sql.xz) say "running $script" && xzcat "$script" | run_sql ;;
		*.sql.zst) say "running $script" && zstd --decompress --stdout "$script" | run_sql ;;
		*) say "leaving $script alone" ;;
		esac
	done
}

make_database() { # the arguments are those of the server
	check_password
	ls /docker-entrypoint-initdb.d >/dev/null # an unreadable folder must show before anything is made
	make_database_files
	allow_network_clients "$@"
	export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
	start_local_server "$@"
	create_database
	shopt -s nullglob
	run_init_scripts /docker-entrypoint-initdb.d/*
	stop_local_server
	unset PGPASSWORD
	say "the database is made"
}

asks_for_help() {
	local arg
	for arg; do
		case $arg in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} == postgres ]] && ! asks_for_help "$@"; then
	from_file POSTGRES_PASSWORD
	from_file POSTGRES_USER postgres
	from_file POSTGRES_DB "$POSTGRES_USER"
	from_file POSTGRES_INITDB_ARGS
	: "${POSTGRES_HOST_AUTH_METHOD:=}"
	make_folders
	if [[ $(id -u) == 0 ]]; then # the server itself refuses to run as root
		exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
	fi
	if [[ -s $PGDATA/PG_VERSION ]]; then
		say "there is a database in $PGDATA"
	else
		make_database "${@:2}"
	fi
fi
exec "$@"
