#!/bin/sh
# Copies the image's root into $1, from within its build: Letterhead's environment, and of Debian the packages of Python,
# of every library that Python or Letterhead loads, and a few files. Neither a shell nor a package manager is among them.
# /var/lib/dpkg/status.d says which packages these are, for scanners, as in Google's distroless images.
set -eu
root=$1
python=$(basename "$(readlink -f /usr/bin/python3)") # python3.13

loaded=$(find /usr/lib/"$python" /opt/letterhead -name '*.so*' -exec ldd /usr/bin/"$python" {} + 2>/dev/null |
    sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u)
# shellcheck disable=SC2086 # a list of paths
libraries=$(readlink -f $loaded | grep -v ^/opt/ | xargs dpkg -S | sed 's/:.*//' | sort -u)
packages="base-files ca-certificates media-types netbase tzdata $python-minimal lib$python-minimal lib$python-stdlib $libraries"

mkdir -p "$root/var/lib/dpkg/status.d" "$root/tmp" "$root/var/lib/letterhead"
# shellcheck disable=SC2086 # a list of words
dpkg -L $packages | sort -u | grep -v -e '^/usr/share/\(bug\|doc-base\|lintian\|man\|pixmaps\|applications\|base-files\)/' -e '/gconv/' \
    -e '^/usr/sbin/' -e '^/usr/share/doc/.*/\(changelog\|NEWS\|README\|TODO\)' -e '^/\.$' |
    tar --create --no-recursion --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory="$root"
for package in $packages; do
    dpkg --status "$package" >"$root/var/lib/dpkg/status.d/$package"
done
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -a --parents /opt/letterhead "$root"
ln -s "$python" "$root/usr/bin/python3"
ldconfig -r "$root"
python3 -m compileall -q --invalidation-mode unchecked-hash "$root/usr/lib/$python" || true # tests among them are no Python

printf '%s\n' root:x:0:0::/:/nonexistent letterhead:x:65532:65532::/var/lib/letterhead:/nonexistent >"$root/etc/passwd"
printf '%s\n' root:x:0: letterhead:x:65532: >"$root/etc/group"
chmod 1777 "$root/tmp"
chmod 700 "$root/var/lib/letterhead"
chown 65532:65532 "$root/var/lib/letterhead"
