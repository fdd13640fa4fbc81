#!/bin/sh
# Builds the Debian package from a booster binary: deploy/deb/build.sh <binary>
# <version> <output.deb>. The same inputs make the same package, byte for byte:
# SOURCE_DATE_EPOCH is the time of all files in it, DEB_MAINTAINER who answers for it,
# as "Name <address>". Needs dpkg-deb and gzip.
set -eu

binary=$1 version=$2 output=$3
: "${SOURCE_DATE_EPOCH:?set it to the time of the sources, in seconds}"
export SOURCE_DATE_EPOCH
: "${DEB_MAINTAINER:?write who answers for the package, as in 'Name <name@example.com>'}"
case $DEB_MAINTAINER in
*' <'*'@'*'>') ;;
*)
	echo "DEB_MAINTAINER is '$DEB_MAINTAINER': write it as in 'Name <name@example.com>'" >&2
	exit 1
	;;
esac
umask 022
cd "$(dirname "$0")/../.."

root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
doc=$root/usr/share/doc/omflow-booster

install -D -m 755 "$binary" "$root/usr/bin/booster"
install -D -m 644 -t "$root/usr/lib/systemd/system" deploy/systemd/omflow-booster.service deploy/systemd/omflow-agent.service
install -D -m 644 deploy/systemd/sysusers.conf "$root/usr/lib/sysusers.d/omflow-booster.conf"
install -D -m 644 -t "$root/etc/omflow-booster" Caddyfile.example
install -D -m 644 -t "$doc" README.md README.zh-TW.md deploy/deb/copyright
install -D -m 644 -t "$doc/docs" docs/*.md docs/*.svg
install -D -m 644 -t "$doc/grafana" deploy/grafana/*.json
install -D -m 644 -t "$doc/prometheus" deploy/prometheus/*.yml
# For whoever has an Oracle: not a unit of this package's program.
install -D -m 644 -t "$doc/examples" deploy/systemd/oracledb-exporter.service
{
	printf 'omflow-booster (%s) unstable; urgency=medium\n\n' "$version"
	printf '  * Built from the sources of %s.\n\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)"
	printf ' -- %s  %s\n' "$DEB_MAINTAINER" "$(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" -R)"
} | gzip -9n >"$doc/changelog.gz"
chmod 644 "$doc/changelog.gz"

install -d "$root/DEBIAN"
for script in postinst prerm postrm; do
	install -m 755 "deploy/deb/DEBIAN/$script" "$root/DEBIAN/$script"
done
echo /etc/omflow-booster/Caddyfile.example >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
arch=${DEB_ARCH:-$(dpkg --print-architecture)}
size=$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f1)
maintainer=$(printf %s "$DEB_MAINTAINER" | sed 's/[&\\|]/\\&/g')
sed -e "s|@MAINTAINER@|$maintainer|" -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" deploy/deb/DEBIAN/control >"$root/DEBIAN/control"
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/conffiles" "$root/DEBIAN/md5sums"

find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$(dirname "$output")"
dpkg-deb --root-owner-group -Zxz --build "$root" "$output" >/dev/null
echo "$output"
