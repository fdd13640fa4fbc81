#!/bin/sh
# Installs a Debian package of OMFLOW Booster in a clean Debian, and takes it away
# again: deploy/deb/check.sh <package.deb> [<suite>]. Says what is not as it should
# be, and ends with 1 then. Needs root, debootstrap and Debian's packages; changes
# nothing outside a temporary folder, which is removed. Where systemd-nspawn is there
# (package systemd-container) the units are tried under a systemd of their own: boot.sh.
set -eu

here=$(dirname "$(realpath "$0")")
. "$here/expect.sh"

package=$(realpath "$1") suite=${2:-bookworm}
root=$(mktemp -d)
chmod 755 "$root"
leave() {
	umount "$root/proc" 2>/dev/null || true
	rm -rf --one-file-system "$root" "$out"
}
trap leave EXIT
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

debootstrap --variant=minbase --include=systemd "$suite" "$root" >"$out" 2>&1 || {
	tail -n 5 "$out"
	exit 1
}
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
cp "$package" "$root/root/booster.deb"

expect "installs" inside dpkg -i /root/booster.deb
expect "files are as packed" inside dpkg --verify omflow-booster
expect "all its dependencies are met" inside dpkg --audit
expect "the user is there" inside id omflow-booster
expect "the program runs" inside booster version
for module in omflow omflow.agent http.handlers.omflow_booster; do
	expect "it has the module $module" sh -c "chroot '$root' booster list-modules | grep -qx '$module'"
done
expect "the units are sound" systemd-analyze verify --root="$root" omflow-booster.service omflow-agent.service
expect "the exporter's unit is an example" test -f "$root/usr/share/doc/omflow-booster/examples/oracledb-exporter.service"
expect "the exporter's unit is not installed" missing "$root/usr/lib/systemd/system/oracledb-exporter.service"
expect "nothing is enabled" sh -c "! find '$root/etc/systemd/system' -name 'omflow-*' | grep ."

expect "init sets up a booster" inside booster omflow init --yes --kind booster --name a --address 10.0.0.11 --units /etc/systemd/system
expect "its state folder is its user's alone" test "$(inside stat -c '%U %a' /var/lib/omflow-booster)" = "omflow-booster 700"
expect "its key belongs to the unit's user" test "$(inside stat -c '%U %a' /etc/omflow-booster/booster.key)" = "omflow-booster 600"
expect "the installed unit serves" missing "$root/etc/systemd/system/omflow-booster.service"
expect "its Caddyfile is accepted by the unit's user" inside setpriv --reuid omflow-booster --regid omflow-booster --clear-groups \
	env HOME=/tmp booster validate --config /etc/omflow-booster/booster.Caddyfile

expect "init sets up an agent of a new server" inside sh -c 'booster omflow keygen | booster omflow init --yes --kind agent --installed no --name s2 --address 10.0.0.22 --boosters 10.0.0.11 --home /opt/omflow --key - --units /etc/systemd/system'
expect "the new server's unit is sound" systemd-analyze verify --root="$root" omflow-agent.service
rm "$root/etc/systemd/system/omflow-agent.service"

echo "# mine" >>"$root/etc/omflow-booster/Caddyfile.example"
expect "installs again, over a changed example" inside dpkg -i --force-confold /root/booster.deb
expect "the change is kept" grep -qx '# mine' "$root/etc/omflow-booster/Caddyfile.example"

if command -v systemd-nspawn >/dev/null; then
	umount "$root/proc"
	echo "      the units, under systemd:"
	"$here/boot.sh" "$root" || failed=1
	mount -t proc proc "$root/proc"
else
	echo "skip  the units were not tried under systemd: systemd-nspawn is not there"
fi

expect "is removed" inside dpkg -r omflow-booster
expect "the program is gone" missing "$root/usr/bin/booster"
for file in Caddyfile.example booster.Caddyfile booster.key; do
	expect "removal leaves $file" test -f "$root/etc/omflow-booster/$file"
done
mkdir -p "$root/var/lib/omflow-booster/caddy"
expect "is purged" inside dpkg -P omflow-booster
expect "its state is gone" missing "$root/var/lib/omflow-booster"
expect "purging leaves the key" test -f "$root/etc/omflow-booster/booster.key"
exit $failed
