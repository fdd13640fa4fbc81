# Read by check.sh and boot.sh: says of each expectation whether it is met.

failed=0
out=$(mktemp)

# expect <what> <command...> runs a command that must succeed.
expect() {
	what=$1
	shift
	if "$@" >"$out" 2>&1; then
		echo "ok    $what"
	else
		echo "WRONG $what"
		tail -n 10 "$out" | sed 's/^/      /'
		failed=1
	fi
}

missing() { ! test -e "$1"; }

# eventually <command...> tries a command until it succeeds, for a minute.
eventually() {
	end=$(($(date +%s) + 60))
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.2
	done
}
