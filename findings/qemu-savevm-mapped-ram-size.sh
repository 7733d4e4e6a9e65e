#!/bin/sh
# Seen with QEMU 11.1.3 (Debian's trixie-backports, 1:11.1.3+ds-1~bpo13+1) and qemu-img, qemu-io 7.2.22 (Debian 12), 2026-11-29.
#
# With the migration capability `mapped-ram` switched on, `savevm` puts the guest's pages into places of their own, and the
# state of its devices behind the room for all of them. The size that is kept with the snapshot counts only what was
# written in order and the pages that are not zero: `info snapshots` and `qemu-img snapshot -l` say some MiB of a machine
# with 256 MiB, while the next section of its state (of the hash table of a pseries machine) stands at byte 257 MiB.
# `loadvm` takes it all the same. Who reads or copies a snapshot's state up to the size that is listed has neither most
# of its memory nor its devices: what is there ends where the last section does.
#
# Needs Debian 12 (apt-get, as root, for the download). Exits with 1 if that changes.
set -eu
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/../scripts/fetch-qemu.sh" 11.1 "$folder/qemu" | head -1
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install "qemu-utils=1:7.2+dfsg-7+deb12u18+b3" >/dev/null
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
tool() { # its name and options
  name=$1
  shift
  LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu" "$folder/root/usr/bin/$name" "$@"
}
tool qemu-img create -q -f qcow2 "$folder/disk.qcow2" 1G
{
  sleep 2; echo cont; sleep 6; echo stop; echo "migrate_set_capability mapped-ram on"
  echo "savevm mapped"; sleep 5; echo "loadvm mapped"; sleep 3; echo "info status"; echo quit
} | timeout 120 "$folder/qemu/qemu-system-ppc64" -M pseries -accel tcg -m 256M -S -nodefaults -display none -vga none \
  -drive "if=none,id=disk,file=$folder/disk.qcow2" -monitor stdio 2>/dev/null | tr -d '\r' | grep "^VM status"
size=$(tool qemu-img info --output json "$folder/disk.qcow2" | sed -n 's/.*"vm-state-size": \([0-9]*\).*/\1/p')
echo "size of the state that is kept with the snapshot: $size bytes"
at=$((257 * 1024 * 1024))
section=$(tool qemu-io -f qcow2 -r -c "read -b -v $at 512" "$folder/disk.qcow2" | sed -n '1,3s/^[0-9a-f]*:.*  //p' | tr -d '\n')
echo "at byte $at of the state: $section"
case $section in *spapr?htab*) is=true ;; *) is=false ;; esac
if [ "$is" = true ] && [ "$size" -lt "$at" ]; then echo "as seen"; else echo "not as seen any more"; exit 1; fi
