#!/bin/sh
# Seen with QEMU 7.2.22 (Debian 12, qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3), 2026-11-28.
#
# A pseries machine makes a virtual terminal for each `-serial` up to the first `-serial none`, and none for those after it,
# without a word: with `-serial null -serial none -serial null` there is one terminal. Unit addresses of the machine's
# virtual devices are given one after the other, terminals first, so the LIOBNs of virtual network cards and disks are others, too.
#
# Needs Debian 12 (apt-get, as root, for the download). Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install "qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3" qemu-system-common qemu-system-data >/dev/null
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
root="$folder/root/usr"
qemu() { # options: the machine's devices, as its monitor lists them
  { echo "info qtree"; sleep 3; echo quit; } |
    LD_LIBRARY_PATH="$root/lib/x86_64-linux-gnu" timeout 60 "$root/bin/qemu-system-ppc64" -L "$root/share/qemu" \
      -L "$root/share/seabios" -M pseries-7.2 -accel tcg -m 256M -S -nodefaults -display none -vga none -monitor stdio "$@" 2>&1
}
tree() { qemu "$@" -device spapr-vlan | tr -d '\r'; }
terminals() { printf '%s\n' "$1" | grep -c 'dev: spapr-vty'; }
unit() { printf '%s\n' "$1" | awk '/dev: spapr-vlan/{here=1} here && /reg = /{print $4; exit}'; }
with=$(tree -serial null -serial none -serial null)
without=$(tree -serial null -serial null)
echo "$("$root/bin/qemu-system-ppc64" --version | head -1)"
echo "-serial null -serial none -serial null: $(terminals "$with") terminal, spapr-vlan at $(unit "$with")"
echo "-serial null -serial null: $(terminals "$without") terminals, spapr-vlan at $(unit "$without")"
if [ "$(terminals "$with")" = 1 ] && [ "$(terminals "$without")" = 2 ]; then echo "as seen"; else echo "not as seen any more"; exit 1; fi
