#!/bin/sh
# Boots a root folder, in which the Debian package is installed and a booster was set up
# by `booster omflow init --address 10.0.0.11`, with its own systemd, and tries what an
# operator does with the units: deploy/deb/boot.sh <root>. Beside the booster an agent
# runs, whose server is Caddy's own file server. Needs root, systemd-nspawn, nsenter and
# ip; the machine has a network of its own, which nothing else can reach. The root folder
# is changed. Says what is not as it should be, and ends with 1 then.
set -eu

root=$(realpath "$1")
. "$(dirname "$0")/expect.sh"
console=$(mktemp)
nspawn='' leader=''

# Where systemd is not the host's own init there is nobody to ask for a scope.
keep=--keep-unit
[ ! -d /run/systemd/system ] || keep=

boot() {
	systemd-nspawn --quiet --boot --register=no $keep --directory="$root" --machine=omflow-booster-check --hostname=check \
		--private-network --capability=CAP_NET_ADMIN,CAP_NET_RAW --link-journal=no --resolv-conf=off --timezone=off \
		--console=pipe </dev/null >>"$console" 2>&1 &
	nspawn=$!
	eventually leads
	# An address, as init was told, and an interface to put a virtual IP on.
	nsenter -t "$leader" -n sh -c '
		ip link set lo up
		ip link add eth0 type veth peer name peer0
		ip link set eth0 up && ip link set peer0 up
		ip address add 10.0.0.11/24 dev eth0'
	eventually booted
}

leads() {
	leader=$(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null | tr -d ' ')
	[ -n "$leader" ] && [ "$(readlink "/proc/$leader/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(readlink "/proc/$leader/exe")" != "$(readlink "/proc/$nspawn/exe")" ]
}

booted() { case $(inside systemctl is-system-running 2>/dev/null) in running | degraded) ;; *) false ;; esac; }

down() {
	[ -n "$nspawn" ] || return 0
	kill -TERM "$nspawn" 2>/dev/null || true # an orderly shutdown
	eventually gone || kill -KILL "$nspawn" "$leader" 2>/dev/null || true
	wait "$nspawn" 2>/dev/null || true
	nspawn=''
}

gone() { ! kill -0 "$nspawn" 2>/dev/null; }

leave() {
	down
	rm -f "$out" "$console"
}
trap leave EXIT

inside() { nsenter -t "$leader" -a /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
shell() { inside sh -c "$1"; }
pid() { inside systemctl show --property=MainPID --value "$1"; }
active() { [ "$(inside systemctl is-active "$1")" = active ]; }
# The server is no child of the agent's once that was restarted: by what it runs.
server() { shell 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "^/usr/bin/booster file-server" && echo ${p#/proc/}; done; true'; }
status() { inside booster omflow status --json; }
answers() { status | grep -q '"node": *"a"'; } # with 1 as long as no server is up
is() { [ "$1" = "$2" ]; }
up() { status | grep -q '"state": *"up"'; }
held() { nsenter -t "$leader" -n ip -brief address show eth0 | grep -q '10\.0\.0\.10/24'; }
not() { ! "$@"; }

# A folder made by debootstrap has no names.
grep -q localhost "$root/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost' >"$root/etc/hosts"

boot || {
	cat "$console"
	echo "WRONG it boots"
	exit 1
}

# The booster. Doctor is asked before the first start, as init says.
doctor() { shell "runuser -u omflow-booster -- booster omflow doctor --config /etc/omflow-booster/booster.Caddyfile | grep '^✓ $1  '"; }
expect "doctor finds the configuration valid before the first start" doctor configuration
expect "and the state folder" doctor state_dir
expect "the booster is started" inside systemctl enable --now omflow-booster
expect "it answers as soon as the unit is active" answers
first=$(pid omflow-booster)
expect "the booster is reloaded" inside systemctl reload omflow-booster
expect "by the same process" is "$(pid omflow-booster)" "$first"
expect "with nothing to warn of" not shell 'journalctl -u omflow-booster --no-pager -o cat | grep "cut off by a reload"'
expect "its log has no failure" not shell 'journalctl -u omflow-booster --no-pager -o cat | grep -i "^ERROR"'

# The agent, of a server that is none of OMFLOW's.
shell '
	useradd --system --user-group --home-dir /opt/omflow --shell /usr/sbin/nologin omflow
	install -d -o omflow /opt/omflow
	install -m 600 -o omflow /etc/omflow-booster/booster.key /etc/omflow-booster/agent.key
	cat >/etc/omflow-booster/agent.Caddyfile <<-"END"
	{
		admin localhost:2020
		omflow {
			name s1
			listen :5170
			key {file./etc/omflow-booster/agent.key}
			join 10.0.0.11:5169
			state_dir /var/lib/omflow-agent
			agent {
				server 10.0.0.11:8000
				run /usr/bin/booster file-server --listen 10.0.0.11:8000 --root /srv --browse
				health {
					live /
				}
			}
		}
	}
	END'
expect "the agent is started" inside systemctl enable --now omflow-agent
expect "its server is up" eventually up
was=$(server) agent=$(pid omflow-agent)
expect "there is one server process" test -n "$was"
expect "the agent is restarted" inside systemctl restart omflow-agent
expect "the server goes on" is "$(server)" "$was"
expect "under another agent" not is "$(pid omflow-agent)" "$agent"
agent=$(pid omflow-agent)
inside systemctl kill --kill-who=main --signal=KILL omflow-agent
again() { active omflow-agent && not is "$(pid omflow-agent)" "$agent"; }
expect "an agent that was killed is started again" eventually again
expect "the server goes on after that" is "$(server)" "$was"
expect "and is up" eventually up

# An upgrade restarts nothing.
agent=$(pid omflow-agent) booster=$(pid omflow-booster)
expect "the package is installed over itself" inside dpkg -i /root/booster.deb
expect "the booster goes on" is "$(pid omflow-booster)" "$booster"
expect "the agent goes on" is "$(pid omflow-agent)" "$agent"

# A virtual IP, with the rights that the guide gives.
shell '
	mkdir -p /etc/systemd/system/omflow-booster.service.d
	cat >/etc/systemd/system/omflow-booster.service.d/override.conf <<-END
	[Service]
	AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW
	CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
	RestrictAddressFamilies=AF_PACKET
	END
	sed -i "s|^\tomflow {|&\n\t\tbooster {\n\t\t\trole primary\n\t\t\tvirtual_ip 10.0.0.10/24 eth0\n\t\t}|" /etc/omflow-booster/booster.Caddyfile
	systemctl daemon-reload'
expect "the booster is restarted, with a virtual IP" inside systemctl restart omflow-booster
expect "it holds the virtual IP" eventually held
booster=$(pid omflow-booster)
inside systemctl kill --kill-who=main --signal=KILL omflow-booster
expect "its guard takes the virtual IP off when it is killed" eventually not held
back() { active omflow-booster && held && not is "$(pid omflow-booster)" "$booster"; }
expect "it is started again, and takes it" eventually back
expect "the booster is stopped" inside systemctl stop omflow-booster
expect "the virtual IP is given up" not held

down
boot || {
	cat "$console"
	echo "WRONG it boots again"
	exit 1
}
expect "the booster is there after a boot" eventually active omflow-booster
expect "and the agent's server" eventually up
expect "the agent is stopped" inside systemctl stop omflow-agent
expect "and its server with it" test -z "$(server)"
exit $failed
